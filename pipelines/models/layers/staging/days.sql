{{ config(materialized='table') }}

with visits as (
    select v.account_id, v.visit_date, {{ fingerprint('v') }} as version
    from ({{ all_visits() }}) as v
    group by 1, 2
),

legacy_pages as (
    select p.account_id, p.visit_date, {{ fingerprint('p') }} as version
    from {{ ref('leadfeeder_legacy_visit_pages') }} as p
    group by 1, 2
),

v1_pages as (
    select p.account_id, p.visit_date, {{ fingerprint('p') }} as version
    from {{ ref('leadfeeder_visit_pages') }} as p
    group by 1, 2
),

qualities as (
    select q.account_id, q.date as visit_date, {{ fingerprint('q') }} as version
    from {{ ref('leadfeeder_legacy_lead_days') }} as q
    group by 1, 2
)

select
    v.account_id,
    v.visit_date,
    concat_ws(' ', v.version, p.version, o.version, q.version, '{{ revision() }}') as version
from visits as v
left join legacy_pages as p on p.account_id = v.account_id and p.visit_date = v.visit_date
left join v1_pages as o on o.account_id = v.account_id and o.visit_date = v.visit_date
left join qualities as q on q.account_id = v.account_id and q.visit_date = v.visit_date
