-- the newest day that is loaded, so that the same data says the same tomorrow
with as_of as (
    select max(visit_date) as day from {{ ref('visits') }}
),

counting as (
    select
        c.company_id,
        case when c.in_crm then 'in_crm_and_back' else 'not_in_crm' end as situation,
        count(*) as visits,
        count(distinct v.visit_date) as days,
        cast(coalesce(sum(v.page_depth), 0) as bigint) as page_views,
        min(v.visit_date) as first_visit_date,
        max(v.visit_date) as last_visit_date,
        count(*) filter (where v.visit_date > a.day - 7) as visits_last_7_days,
        count(*) filter (where v.visit_date > a.day - 30) as visits_last_30_days
    from {{ ref('companies') }} as c
    inner join {{ ref('visits') }} as v on v.company_id = c.company_id
    cross join as_of as a
    where not c.in_crm or v.started_at > c.crm_since
    group by 1, 2
)

select
    n.company_id,
    c.name,
    c.domain,
    c.country_code,
    c.industry,
    c.employees_min,
    n.situation,
    c.crm_account_id,
    c.crm_lead_id,
    c.crm_lead_status,
    c.crm_since,
    n.visits,
    n.days,
    n.page_views,
    n.first_visit_date,
    n.last_visit_date,
    n.visits_last_7_days,
    n.visits_last_30_days
from counting as n
inner join {{ ref('companies') }} as c on c.company_id = n.company_id
