-- the states that an asset was seen in, oldest first
with states as (
    select
        *,
        coalesce(time, valid_from) as since,
        row_number() over (partition by connection_id, asset_type, asset_id order by valid_from desc) as age
    from {{ ref('leadsie_connection_status_history') }}
    where asset_id is not null
),

granted as (
    select connection_id, asset_type, asset_id, max(since) as granted_at, max(valid_from) as seen_granted_at
    from states
    where is_success
    group by 1, 2, 3
),

-- failing states after the last that was granted: when did the trouble begin
trouble as (
    select s.connection_id, s.asset_type, s.asset_id, min(s.since) as failing_since
    from states as s
    left join granted as g
        on g.connection_id = s.connection_id and g.asset_type = s.asset_type and g.asset_id = s.asset_id
    where not s.is_success and (g.seen_granted_at is null or s.valid_from > g.seen_granted_at)
    group by 1, 2, 3
),

failures as (
    select connection_id, asset_type, asset_id, count(*) as failures
    from states
    where not is_success
    group by 1, 2, 3
),

-- what belongs to the connection, as last seen
connections as (
    select distinct on (connection_id) connection_id, custom_user_id, name as request_name
    from {{ ref('leadsie_connection_status_history') }}
    where asset_id is null
    order by connection_id, valid_from desc
)

select
    s.connection_id,
    s.asset_type,
    s.asset_id,
    s.name as asset_name,
    s.user_id,
    k.custom_user_id,
    r.company_id,
    s.request_url,
    k.request_name,
    s.access_level,
    case
        when s.valid_to is not null then 'gone'
        when s.is_success then 'granted'
        when g.connection_id is not null or a.was_initial_grant_successful then 'broken'
        when s.is_success is null then 'unknown'
        else 'failed'
    end as health,
    case when not s.is_success then s.message end as trouble,
    g.granted_at,
    case when not s.is_success then t.failing_since end as failing_since,
    s.valid_to as gone_at,
    coalesce(f.failures, 0) as failures,
    s.since as changed_at,
    s.valid_from as seen_at
from states as s
left join granted as g
    on g.connection_id = s.connection_id and g.asset_type = s.asset_type and g.asset_id = s.asset_id
left join trouble as t
    on t.connection_id = s.connection_id and t.asset_type = s.asset_type and t.asset_id = s.asset_id
left join failures as f
    on f.connection_id = s.connection_id and f.asset_type = s.asset_type and f.asset_id = s.asset_id
left join {{ ref('leadsie_connection_assets') }} as a
    on a.connection_id = s.connection_id and a.type = s.asset_type and a.id = s.asset_id
left join connections as k on k.connection_id = s.connection_id
left join (select distinct domain, company_id from {{ ref('company_records') }} where domain is not null) as r
    on r.domain = {{ domain_of("k.custom_user_id") }}
where s.age = 1
