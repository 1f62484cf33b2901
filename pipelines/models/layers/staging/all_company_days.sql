with pages as (
    select account_id, company_id, visit_date, count(*) as page_views
    from {{ ref('page_views') }}
    group by account_id, company_id, visit_date
),

quality as (
    select d.account_id, r.company_id, d.date as visit_date, max(d.quality) as quality
    from {{ ref('leadfeeder_legacy_lead_days') }} as d
    inner join {{ ref('company_records') }} as r
        on r.kind = 'leadfeeder_legacy_lead' and r.account_id = d.account_id and r.record_id = d.lead_id
    group by d.account_id, r.company_id, d.date
)

select
    v.account_id,
    v.company_id,
    v.visit_date,
    count(*) as visits,
    cast(coalesce(max(p.page_views), 0) as bigint) as page_views,
    cast(coalesce(sum(v.visit_length), 0) as bigint) as visit_length,
    count(*) filter (where v.is_bounce) as bounces,
    max(q.quality) as quality
from {{ ref('visits') }} as v
left join pages as p
    on p.account_id = v.account_id and p.company_id = v.company_id and p.visit_date = v.visit_date
left join quality as q
    on q.account_id = v.account_id and q.company_id = v.company_id and q.visit_date = v.visit_date
where v.company_id is not null
group by v.account_id, v.company_id, v.visit_date
