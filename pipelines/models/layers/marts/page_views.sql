{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='sync_all_columns',
    pre_hook="{{ forget_changed_days() }}",
    indexes=indexes([['account_id', 'visit_date'], ['company_id']])
) }}
-- depends_on: {{ ref('changed_days') }}

with both_apis as (
    select
        'leadfeeder_legacy' as source, p.account_id, p.visit_id, p.position, p.hostname, p.page_path, p.page_title,
        p.page_url, p.time_on_page
    from {{ ref('leadfeeder_legacy_visit_pages') }} as p
    where true {{ of_changed_days('p') }}
    union all
    select
        'leadfeeder', p.account_id, p.visit_id, p.position,
        regexp_replace(regexp_replace(p.url, '^[a-z]+://', ''), '[/:?#].*$', ''), p.path, p.title,
        p.url, p.time_on_page
    from {{ ref('leadfeeder_visit_pages') }} as p
    where true {{ of_changed_days('p') }}
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
where true {{ of_changed_days('v') }}
