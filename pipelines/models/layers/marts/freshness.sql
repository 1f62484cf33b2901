with accounts as (
    select distinct vendor, stream, account_id from {{ ref('ops_runs') }} where account_id is not null
),

runs as (
    -- whoever is refused the first request is told nothing of any account
    select r.*, coalesce(r.account_id, a.account_id, '') as account, row_number() over (
        partition by r.vendor, coalesce(r.account_id, a.account_id, ''), r.stream order by r.started_at desc
    ) as age
    from {{ ref('ops_runs') }} as r
    left join accounts as a on r.account_id is null and a.vendor = r.vendor and a.stream = r.stream
),

known as (
    select vendor, account, stream, window_start, window_end
    from runs
    where status = 'ok' and window_start is not null
    union all
    -- what was loaded by runs that did not end well, too
    select vendor, coalesce(account_id, ''), stream, loaded_from, loaded_until
    from {{ ref('ops_loaded_days') }}
    where (vendor, stream) in (select vendor, stream from runs where window_start is not null)
),

reached as (
    select vendor, account, stream, window_start, window_end, max(window_end) over (
        partition by vendor, account, stream order by window_start, window_end
        rows between unbounded preceding and 1 preceding
    ) as until
    from known
),

spans as (
    -- a backfill may lie by itself: what counts are the days up to the last one without a gap
    select vendor, account, stream,
        max(window_start) filter (where until is null or window_start > until + 1) as loaded_from,
        max(window_end) as loaded_until
    from reached
    group by 1, 2, 3
),

loaded as (
    select
        vendor, account, stream,
        max(finished_at) filter (where status = 'ok') as last_ok_at,
        count(*) as runs,
        count(*) filter (where status not in ('ok', 'skipped')) as runs_not_ok
    from runs
    group by 1, 2, 3
),

incomplete as (
    select vendor, account_id as account, stream, count(*) as incomplete_days, min(date) as first_incomplete_day,
        max(date) as last_incomplete_day
    from {{ ref('ops_incomplete_days') }}
    group by 1, 2, 3
)

select
    l.vendor,
    l.account as account_id,
    l.stream,
    s.loaded_from,
    s.loaded_until,
    l.last_ok_at,
    r.started_at as last_run_at,
    r.status as last_run_status,
    r.rows as last_run_rows,
    r.error as last_run_error,
    l.runs,
    l.runs_not_ok,
    coalesce(i.incomplete_days, 0) as incomplete_days,
    i.first_incomplete_day,
    i.last_incomplete_day
from loaded as l
inner join runs as r on r.vendor = l.vendor and r.account = l.account and r.stream = l.stream and r.age = 1
left join spans as s on s.vendor = l.vendor and s.account = l.account and s.stream = l.stream
left join incomplete as i on i.vendor = l.vendor and i.account = l.account and i.stream = l.stream
