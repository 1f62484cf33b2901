with titles as (
    select distinct on (account_id, page_path) account_id, page_path, page_title
    from {{ ref('page_views') }}
    where page_title is not null
    order by account_id, page_path, started_at desc, visit_id, position
)

select
    p.account_id,
    p.page_path,
    max(t.page_title) as page_title,
    count(*) as page_views,
    count(distinct p.source || p.visit_id) as visits,
    count(distinct p.company_id) as companies,
    count(*) filter (where p.is_entrance) as entrances,
    count(*) filter (where p.is_exit) as exits,
    cast(coalesce(sum(p.time_on_page), 0) as bigint) as time_on_page,
    min(p.visit_date) as first_viewed_on,
    max(p.visit_date) as last_viewed_on
from {{ ref('page_views') }} as p
left join titles as t on t.account_id = p.account_id and t.page_path = p.page_path
where p.page_path is not null
group by p.account_id, p.page_path
