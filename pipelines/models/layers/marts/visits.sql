{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='sync_all_columns',
    pre_hook="{{ forget_changed_days(ref('all_visits')) }}",
    indexes=indexes([['account_id', 'visit_date'], ['company_id']])
) }}

{{ missing_days(ref('all_visits')) }}
