with titles as (
    select distinct on (account_id, page_path) account_id, page_path, page_title
    from {{ ref('page_views') }}
    where page_title is not null
    order by account_id, page_path, started_at desc, visit_id, position
),

by_visit as (
    select
        account_id, page_path, source, visit_id, company_id,
        count(*) as page_views,
        count(*) filter (where is_entrance) as entrances,
        count(*) filter (where is_exit) as exits,
        sum(time_on_page) as time_on_page,
        min(visit_date) as visit_date
    from {{ ref('page_views') }}
    where page_path is not null
    group by 1, 2, 3, 4, 5
)

select
    p.account_id,
    p.page_path,
    max(t.page_title) as page_title,
    cast(sum(p.page_views) as bigint) as page_views,
    count(*) as visits,
    count(distinct p.company_id) as companies,
    cast(sum(p.entrances) as bigint) as entrances,
    cast(sum(p.exits) as bigint) as exits,
    cast(coalesce(sum(p.time_on_page), 0) as bigint) as time_on_page,
    min(p.visit_date) as first_viewed_on,
    max(p.visit_date) as last_viewed_on
from by_visit as p
left join titles as t on t.account_id = p.account_id and t.page_path = p.page_path
group by p.account_id, p.page_path
