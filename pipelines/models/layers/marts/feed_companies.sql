-- the token API reports figures; those of the other API are counted
with legacy as (
    select
        f.account_id, f.custom_feed_id, f.window_start, coalesce(r.company_id, 'leadfeeder_legacy:' || f.lead_id) as company_id,
        min(f.start_date) as start_date, max(f.end_date) as end_date,
        cast(sum(f.visits) as bigint) as visits, cast(sum(f.pageviews) as bigint) as page_views,
        cast(sum(f.bounces) as bigint) as bounces, max(f.quality) as quality, max(f.last_visit) as last_visit_date
    from {{ ref('leadfeeder_legacy_feed_leads') }} as f
    left join {{ ref('company_records') }} as r
        on r.kind = 'leadfeeder_legacy_lead' and r.account_id = f.account_id and r.record_id = f.lead_id
    group by 1, 2, 3, 4
),

v1_rows as (
    select
        f.account_id, f.custom_feed_id, f.window_start, coalesce(r.company_id, 'leadfeeder:' || f.company_id) as company_id,
        min(f.start_date) as start_date, max(f.end_date) as end_date
    from {{ ref('leadfeeder_feed_companies') }} as f
    left join {{ ref('company_records') }} as r
        on r.kind = 'leadfeeder_company' and r.account_id = f.account_id and r.record_id = f.company_id
    where f.company_id is not null
        -- an account's month counts once
        and not exists (
            select 1 from {{ ref('leadfeeder_legacy_feed_leads') }} as l
            where l.account_id = f.account_id and date_trunc('month', l.window_start) = date_trunc('month', f.window_start)
        )
    group by 1, 2, 3, 4
)

select 'leadfeeder_legacy' as source, * from legacy
union all
select
    'leadfeeder', f.account_id, f.custom_feed_id, f.window_start, f.company_id, min(f.start_date), max(f.end_date),
    cast(sum(d.visits) as bigint), cast(sum(d.page_views) as bigint), cast(sum(d.bounces) as bigint),
    max(d.quality), max(d.visit_date)
from v1_rows as f
left join {{ ref('company_days') }} as d
    on d.account_id = f.account_id and d.company_id = f.company_id and d.visit_date between f.start_date and f.end_date
group by 2, 3, 4, 5
