-- an account that both APIs are asked about counts once: the token API speaks for every UTC day on which it has visits,
-- up to its last one, whether the two call a visit by the same id or not
with legacy as (
    select *, cast(started_at at time zone 'UTC' as date) as utc_day from {{ ref('leadfeeder_legacy_visits') }}
),

legacy_days as (
    select account_id, utc_day, max(max(started_at)) over (partition by account_id) as last_started_at
    from legacy
    group by account_id, utc_day
),

both_apis as (
    select
        'leadfeeder_legacy' as source, account_id, id as visit_id, lead_id as record_id, location_id,
        started_at, visit_date, hour, source as traffic_source, medium, campaign, keyword, referring_url,
        page_depth, visit_length, device_type
    from legacy
    union all
    select
        'leadfeeder', v.account_id, v.id, v.company_id, v.location_id,
        v.started_at, v.visit_date, cast(extract(hour from v.started_at at time zone 'UTC') as bigint), v.source,
        v.medium, v.campaign, v.keyword, v.referring_url,
        v.page_depth, v.visit_length, v.device_type
    from {{ ref('leadfeeder_visits') }} as v
    left join legacy_days as d on d.account_id = v.account_id and d.utc_day = v.visit_date
    -- the token API's instants are whole minutes
    where d.account_id is null or date_trunc('minute', v.started_at) > d.last_started_at
)

select
    v.source,
    v.account_id,
    v.visit_id,
    coalesce(r.company_id, v.source || ':' || v.record_id) as company_id,
    v.record_id,
    v.started_at,
    v.visit_date,
    v.hour,
    v.traffic_source,
    v.medium,
    v.campaign,
    v.keyword,
    v.referring_url,
    v.page_depth,
    v.visit_length,
    coalesce(v.page_depth = 1, false) as is_bounce,
    v.device_type,
    l.country_code,
    l.city
from both_apis as v
left join {{ ref('company_records') }} as r
    on r.kind = case v.source when 'leadfeeder' then 'leadfeeder_company' else 'leadfeeder_legacy_lead' end
    and r.account_id = v.account_id and r.record_id = v.record_id
left join {{ ref('all_locations') }} as l on l.location_id = v.location_id
