{{ config(indexes=indexes([['kind', 'account_id', 'record_id'], ['company_id']])) }}

-- what each vendor knows of a company, brought to one shape
with legacy as (
    select
        'leadfeeder_legacy_lead' as kind, l.account_id, l.id as record_id, l.name,
        {{ domain_of('l.website_url') }} as domain, o.country_code, l.industry, o.city,
        l.employees_min, l.employees_max, l.revenue_amount, l.revenue_currency, l.linkedin_url,
        l.last_visit_date as seen_on, cast(null as timestamp with time zone) as created_at, false as is_gone
    from {{ ref('leadfeeder_legacy_leads') }} as l
    left join {{ ref('all_locations') }} as o on o.location_id = l.location_id
    union all
    -- a visitor that is not among the leads, for example because their stream is left out
    select 'leadfeeder_legacy_lead', v.account_id, v.lead_id, null, null, max(o.country_code), null, max(o.city),
        null, null, null, null, null, max(v.visit_date), null, false
    from {{ ref('leadfeeder_legacy_visits') }} as v
    left join {{ ref('all_locations') }} as o on o.location_id = v.location_id
    where v.lead_id is not null and not exists (
        select 1 from {{ ref('leadfeeder_legacy_leads') }} as l where l.account_id = v.account_id and l.id = v.lead_id
    )
    group by v.account_id, v.lead_id
),

v1_latest as (
    select distinct on (account_id, company_id)
        account_id, company_id, coalesce(company_name, name) as name, company_url as url, location_id, window_start,
        company
    from {{ ref('leadfeeder_visitor_companies') }}
    where company_id is not null
    order by account_id, company_id, window_start desc, id
),

v1_ids as (
    select account_id, company_id, max(seen_on) as seen_on, max(location_id) as location_id
    from (
        select account_id, company_id, visit_date as seen_on, location_id
        from {{ ref('leadfeeder_visits') }}
        where company_id is not null
        union all
        select account_id, company_id, null, location_id from v1_latest
        union all
        select account_id, company_id, null, null
        from {{ ref('leadfeeder_feed_companies') }}
        where company_id is not null
    ) as seen
    group by account_id, company_id
),

v1 as (
    select
        'leadfeeder_company' as kind, i.account_id, i.company_id as record_id, coalesce(c.name, l.name) as name,
        coalesce({{ domain_of('c.url') }}, {{ domain_of('l.url') }}) as domain,
        coalesce((l.company -> 'address') ->> 'country_code', o.country_code) as country_code,
        (((l.company -> 'industries') -> 'industry') -> 0) ->> 'name' as industry,
        coalesce((l.company -> 'address') ->> 'city', o.city) as city,
        {{ number_of("(l.company -> 'employee_range') ->> 'min'") }} as employees_min,
        {{ number_of("(l.company -> 'employee_range') ->> 'max'") }} as employees_max,
        cast({{ number_of("(l.company -> 'revenue') ->> 'amount'") }} as numeric(38, 9)) as revenue_amount,
        (l.company -> 'revenue') ->> 'currency' as revenue_currency,
        (((l.company -> 'social_media_profiles') -> 'linkedin') -> 0) ->> 'url' as linkedin_url,
        i.seen_on, cast(null as timestamp with time zone) as created_at, false as is_gone
    from v1_ids as i
    left join v1_latest as l on l.account_id = i.account_id and l.company_id = i.company_id
    left join {{ ref('leadfeeder_company_aliases') }} as a on a.account_id = i.account_id and a.asked_id = i.company_id
    left join {{ ref('leadfeeder_companies') }} as c
        on c.account_id = i.account_id and c.id = coalesce(a.company_id, i.company_id)
    left join {{ ref('all_locations') }} as o on o.location_id = coalesce(l.location_id, i.location_id)
),

crm as (
    select
        'leedo_account' as kind, '' as account_id, id as record_id, name, {{ domain_of('website') }} as domain,
        cast(null as text) as country_code, industry, cast(null as text) as city,
        cast(null as bigint) as employees_min, cast(null as bigint) as employees_max,
        cast(null as numeric(38, 9)) as revenue_amount, cast(null as text) as revenue_currency,
        cast(null as text) as linkedin_url, cast(null as date) as seen_on, created_at, deleted_at is not null as is_gone
    from {{ ref('leedo_accounts') }}
    union all
    select
        'leedo_lead', '', id, company, {{ mail_domain_of('email') }}, null, null, null,
        null, null, null, null, null, null, created_at, deleted_at is not null
    from {{ ref('leedo_leads') }}
),

records as (
    select *, {{ name_key_of('name') }} as name_key
    from (select * from legacy union all select * from v1 union all select * from crm) as everything
),

-- a name speaks for a domain where no other domain bears it
by_name_and_country as (
    select name_key, country_code, min(domain) as domain
    from records
    where domain is not null and name_key is not null and country_code is not null
    group by name_key, country_code
    having count(distinct domain) = 1
),

by_name as (
    select name_key, min(domain) as domain
    from records
    where domain is not null and name_key is not null
    group by name_key
    having count(distinct domain) = 1
)

select
    r.kind,
    r.account_id,
    r.record_id,
    coalesce(
        r.domain,
        c.domain,
        n.domain,
        r.name_key || coalesce(' (' || r.country_code || ')', ''),
        case r.kind when 'leadfeeder_company' then 'leadfeeder' when 'leadfeeder_legacy_lead' then 'leadfeeder_legacy'
            else r.kind end || ':' || r.record_id
    ) as company_id,
    case
        when r.domain is not null then 'domain'
        when c.domain is not null then 'name_and_country'
        when n.domain is not null then 'name'
        when r.name_key is null then 'nothing'
        when r.country_code is not null then 'name_and_country'
        else 'name'
    end as matched_by,
    r.name,
    r.domain,
    r.country_code,
    r.city,
    r.industry,
    r.employees_min,
    r.employees_max,
    r.revenue_amount,
    r.revenue_currency,
    r.linkedin_url,
    r.seen_on,
    r.created_at,
    r.is_gone
from records as r
left join by_name_and_country as c
    on r.domain is null and c.name_key = r.name_key and c.country_code = r.country_code
-- where a country is known on one side alone, the name has to do
left join by_name as n on r.domain is null and r.country_code is null and n.name_key = r.name_key
