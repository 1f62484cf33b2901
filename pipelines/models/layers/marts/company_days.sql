{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='sync_all_columns',
    pre_hook="{{ forget_changed_days() }}",
    indexes=indexes([['account_id', 'visit_date'], ['company_id']])
) }}
-- depends_on: {{ ref('changed_days') }}

with viewed as (
    select p.account_id, p.company_id, p.visit_date, count(*) as page_views
    from {{ ref('page_views') }} as p
    where true {{ of_changed_days('p') }}
    group by 1, 2, 3
),

qualities as (
    select d.account_id, r.company_id, d.date as visit_date, max(d.quality) as quality
    from {{ ref('leadfeeder_legacy_lead_days') }} as d
    inner join {{ ref('company_records') }} as r
        on r.kind = 'leadfeeder_legacy_lead' and r.account_id = d.account_id and r.record_id = d.lead_id
    group by 1, 2, 3
),

visited as (
    select
        v.account_id,
        v.company_id,
        v.visit_date,
        count(*) as visits,
        cast(coalesce(sum(v.visit_length), 0) as bigint) as visit_length,
        count(*) filter (where v.is_bounce) as bounces
    from {{ ref('visits') }} as v
    where v.company_id is not null {{ of_changed_days('v') }}
    group by 1, 2, 3
)

select
    v.account_id,
    v.company_id,
    v.visit_date,
    v.visits,
    coalesce(p.page_views, 0) as page_views,
    v.visit_length,
    v.bounces,
    q.quality
from visited as v
left join viewed as p
    on p.account_id = v.account_id and p.company_id = v.company_id and p.visit_date = v.visit_date
left join qualities as q
    on q.account_id = v.account_id and q.company_id = v.company_id and q.visit_date = v.visit_date
