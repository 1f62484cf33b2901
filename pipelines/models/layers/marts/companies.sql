with described as (
    -- each field as the record has it that knows best: vendors of companies before what people typed, newer before older
    select distinct on (company_id) company_id, name
    from {{ ref('company_records') }}
    where name is not null
    order by company_id, {{ rank_of_kind() }}, seen_on desc nulls last, created_at desc nulls last, account_id, record_id
),

placed as (
    select distinct on (company_id) company_id, country_code, city
    from {{ ref('company_records') }}
    where country_code is not null
    order by company_id, {{ rank_of_kind() }}, seen_on desc nulls last, account_id, record_id
),

sized as (
    select distinct on (company_id) company_id, employees_min, employees_max
    from {{ ref('company_records') }}
    where employees_min is not null
    order by company_id, {{ rank_of_kind() }}, seen_on desc nulls last, account_id, record_id
),

earning as (
    select distinct on (company_id) company_id, revenue_amount, revenue_currency
    from {{ ref('company_records') }}
    where revenue_amount is not null
    order by company_id, {{ rank_of_kind() }}, seen_on desc nulls last, account_id, record_id
),

working as (
    select distinct on (company_id) company_id, industry
    from {{ ref('company_records') }}
    where industry is not null
    order by company_id, {{ rank_of_kind() }}, seen_on desc nulls last, account_id, record_id
),

crm_leads as (
    select distinct on (r.company_id) r.company_id, l.id as crm_lead_id, l.status as crm_lead_status
    from {{ ref('company_records') }} as r
    inner join {{ ref('leedo_leads') }} as l on l.id = r.record_id
    where r.kind = 'leedo_lead' and not r.is_gone
    order by r.company_id, l.created_at desc, l.id
),

crm_contacts as (
    select r.company_id, count(*) as crm_contacts
    from {{ ref('company_records') }} as r
    inner join {{ ref('leedo_contacts') }} as c on c.account_id = r.record_id
    where r.kind = 'leedo_account' and not r.is_gone and c.deleted_at is null
    group by r.company_id
),

visited as (
    select
        company_id, min(visit_date) as first_visit_date, max(visit_date) as last_visit_date,
        cast(sum(visits) as bigint) as visits, cast(sum(page_views) as bigint) as page_views
    from {{ ref('company_days') }}
    group by company_id
),

counted as (
    select
        company_id,
        min(domain) as domain,
        min(linkedin_url) as linkedin_url,
        case
            when count(*) = 1 then 'single'
            when bool_or(matched_by = 'name') then 'name'
            when bool_or(matched_by = 'name_and_country') then 'name_and_country'
            else 'domain'
        end as matched_by,
        count(*) as records,
        bool_or(kind = 'leadfeeder_legacy_lead') as in_leadfeeder_legacy,
        bool_or(kind = 'leadfeeder_company') as in_leadfeeder,
        count(*) filter (where kind = 'leedo_account' and not is_gone) as crm_accounts,
        count(*) filter (where kind = 'leedo_lead' and not is_gone) as crm_leads,
        min(record_id) filter (where kind = 'leedo_account' and not is_gone) as crm_account_id,
        min(created_at) filter (where not is_gone) as crm_since
    from {{ ref('company_records') }}
    group by company_id
)

select
    k.company_id,
    coalesce(d.name, k.domain) as name,
    k.domain,
    p.country_code,
    p.city,
    w.industry,
    s.employees_min,
    s.employees_max,
    e.revenue_amount,
    e.revenue_currency,
    k.linkedin_url,
    k.matched_by,
    k.records,
    k.in_leadfeeder_legacy,
    k.in_leadfeeder,
    k.crm_accounts + k.crm_leads > 0 as in_crm,
    k.crm_accounts,
    k.crm_leads,
    coalesce(t.crm_contacts, 0) as crm_contacts,
    k.crm_account_id,
    l.crm_lead_id,
    l.crm_lead_status,
    k.crm_since,
    v.first_visit_date,
    v.last_visit_date,
    coalesce(v.visits, 0) as visits,
    coalesce(v.page_views, 0) as page_views
from counted as k
left join described as d on d.company_id = k.company_id
left join placed as p on p.company_id = k.company_id
left join sized as s on s.company_id = k.company_id
left join earning as e on e.company_id = k.company_id
left join working as w on w.company_id = k.company_id
left join crm_leads as l on l.company_id = k.company_id
left join crm_contacts as t on t.company_id = k.company_id
left join visited as v on v.company_id = k.company_id
