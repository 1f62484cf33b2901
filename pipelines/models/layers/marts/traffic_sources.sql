select
    account_id,
    visit_date,
    coalesce(traffic_source, '(none)') as traffic_source,
    coalesce(medium, '(none)') as medium,
    coalesce(campaign, '(none)') as campaign,
    count(*) as visits,
    count(distinct company_id) as companies,
    cast(coalesce(sum(page_depth), 0) as bigint) as page_views,
    cast(coalesce(sum(visit_length), 0) as bigint) as visit_length,
    count(*) filter (where is_bounce) as bounces
from {{ ref('visits') }}
group by 1, 2, 3, 4, 5
