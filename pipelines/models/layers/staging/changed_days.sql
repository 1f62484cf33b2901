{{ config(materialized='table') }}

select coalesce(d.account_id, b.account_id) as account_id, coalesce(d.visit_date, b.visit_date) as visit_date
from {{ ref('days') }} as d
full join {{ built_days() }} as b on b.account_id = d.account_id and b.visit_date = d.visit_date
where d.version is null or b.version is null or d.version <> b.version
