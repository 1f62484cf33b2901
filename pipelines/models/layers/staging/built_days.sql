{{ config(materialized='table') }}

-- depends_on: {{ ref('visits') }}, {{ ref('page_views') }}, {{ ref('company_days') }}
select * from {{ ref('days') }}
