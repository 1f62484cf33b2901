with listed as (
    select 'leadfeeder_legacy' as source, account_id, id as custom_feed_id, name
    from {{ ref('leadfeeder_legacy_custom_feeds') }}
    union all
    select 'leadfeeder', account_id, id, name from {{ ref('leadfeeder_custom_feeds') }}
),

used as (
    select source, account_id, custom_feed_id, min(window_start) as first_window, max(window_start) as last_window
    from {{ ref('feed_companies') }}
    group by 1, 2, 3
),

newest as (
    select u.source, u.account_id, u.custom_feed_id, count(*) as companies, cast(sum(f.visits) as bigint) as visits
    from used as u
    inner join {{ ref('feed_companies') }} as f
        on f.source = u.source and f.account_id = u.account_id and f.custom_feed_id = u.custom_feed_id
        and f.window_start = u.last_window
    group by 1, 2, 3
)

select
    coalesce(l.source, u.source) as source,
    coalesce(l.account_id, u.account_id) as account_id,
    coalesce(l.custom_feed_id, u.custom_feed_id) as custom_feed_id,
    l.name,
    l.account_id is not null as is_current,
    u.first_window,
    u.last_window,
    coalesce(n.companies, 0) as companies,
    coalesce(n.visits, 0) as visits
from listed as l
full join used as u
    on u.source = l.source and u.account_id = l.account_id and u.custom_feed_id = l.custom_feed_id
left join newest as n
    on n.source = u.source and n.account_id = u.account_id and n.custom_feed_id = u.custom_feed_id
