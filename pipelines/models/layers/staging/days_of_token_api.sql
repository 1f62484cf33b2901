{{ config(materialized='table') }}

select
    account_id,
    cast(started_at at time zone 'UTC' as date) as utc_day,
    max(max(started_at)) over (partition by account_id) as last_started_at
from {{ ref('leadfeeder_legacy_visits') }}
group by 1, 2
