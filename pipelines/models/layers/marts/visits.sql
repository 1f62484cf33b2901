{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='sync_all_columns',
    pre_hook="{{ forget_changed_days() }}",
    indexes=indexes([['account_id', 'visit_date'], ['company_id']])
) }}
-- depends_on: {{ ref('changed_days') }}

{{ all_visits(changed=true) }}
