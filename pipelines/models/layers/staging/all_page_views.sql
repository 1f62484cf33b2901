with both_apis as (
    select
        'leadfeeder_legacy' as source, account_id, visit_id, position, hostname, page_path, page_title, page_url,
        time_on_page
    from {{ ref('leadfeeder_legacy_visit_pages') }}
    union all
    select
        'leadfeeder', account_id, visit_id, position,
        regexp_replace(regexp_replace(url, '^[a-z]+://', ''), '[/:?#].*$', ''), path, title, url,
        time_on_page
    from {{ ref('leadfeeder_visit_pages') }}
)

select
    p.source,
    p.account_id,
    p.visit_id,
    p.position,
    v.company_id,
    v.started_at,
    v.visit_date,
    p.hostname,
    regexp_replace(p.page_path, '[?#].*$', '') as page_path,
    p.page_title,
    p.page_url,
    p.time_on_page,
    p.position = 0 as is_entrance,
    p.position = max(p.position) over (partition by p.source, p.account_id, p.visit_id) as is_exit
from both_apis as p
inner join {{ ref('visits') }} as v
    on v.source = p.source and v.account_id = p.account_id and v.visit_id = p.visit_id
