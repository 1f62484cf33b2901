{{ config(materialized='table') }}

with days as (
    select
        account_id,
        cast(started_at at time zone 'UTC' as date) as utc_day,
        min(started_at) as first_started_at,
        max(started_at) as last_started_at
    from {{ ref('leadfeeder_legacy_visits') }}
    group by 1, 2
)

-- where days begin or end beside others, the account's midnight may lie within the UTC day
select
    account_id,
    utc_day,
    case
        when lag(utc_day) over (partition by account_id order by utc_day) = utc_day - 1 then null
        else first_started_at
    end as begins_at,
    case
        when lead(utc_day) over (partition by account_id order by utc_day) = utc_day + 1 then null
        else last_started_at
    end as ends_at
from days
