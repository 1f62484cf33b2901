{# The visits of both Leadfeeder APIs, each once; with `changed`, those of changed days. An account that both are asked
   about counts once: the token API speaks for every UTC day on which it has visits, from its first one where it has none
   on the day before, up to its last one where it has none on the next, whether the two call a visit by the same id or
   not. #}
{% macro all_visits(changed=false) -%}
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
    from (
        select
            'leadfeeder_legacy' as source, 'leadfeeder_legacy_lead' as kind, v.account_id, v.id as visit_id,
            v.lead_id as record_id, v.location_id, v.started_at, v.visit_date, v.hour, v.source as traffic_source,
            v.medium, v.campaign, v.keyword, v.referring_url, v.page_depth, v.visit_length, v.device_type
        from {{ ref('leadfeeder_legacy_visits') }} as v
        where true {{ of_changed_days('v') if changed }}
        union all
        select
            'leadfeeder', 'leadfeeder_company', v.account_id, v.id,
            v.company_id, v.location_id, v.started_at, v.visit_date,
            cast(extract(hour from v.started_at at time zone 'UTC') as bigint), v.source,
            v.medium, v.campaign, v.keyword, v.referring_url, v.page_depth, v.visit_length, v.device_type
        from {{ ref('leadfeeder_visits') }} as v
        left join {{ ref('days_of_token_api') }} as d on d.account_id = v.account_id and d.utc_day = v.visit_date
        -- the token API's instants are whole minutes
        where (
            d.account_id is null
            or date_trunc('minute', v.started_at) < d.begins_at
            or date_trunc('minute', v.started_at) > d.ends_at
        )
            {{ of_changed_days('v') if changed }}
    ) as v
    left join {{ ref('company_records') }} as r
        on r.kind = v.kind and r.account_id = v.account_id and r.record_id = v.record_id
    left join {{ ref('all_locations') }} as l on l.location_id = v.location_id
{%- endmacro %}
