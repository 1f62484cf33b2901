{%- set of_legacy = ['leadfeeder_legacy_visits', 'leadfeeder_legacy_leads', 'leadfeeder_legacy_custom_feeds',
    'leadfeeder_legacy_feed_leads'] -%}
{%- set of_v1 = ['leadfeeder_visits', 'leadfeeder_visitor_companies', 'leadfeeder_custom_feeds',
    'leadfeeder_feed_companies'] -%}

-- the stream of the accounts may have been left out: what else is loaded names them, too
with legacy as (
    select id as account_id from {{ ref('leadfeeder_legacy_accounts') }}
    {%- for model in of_legacy %}
    union select account_id from {{ ref(model) }}
    {%- endfor %}
),

v1 as (
    select id as account_id from {{ ref('leadfeeder_accounts') }}
    {%- for model in of_v1 %}
    union select account_id from {{ ref(model) }}
    {%- endfor %}
)

select
    coalesce(l.account_id, v.account_id) as account_id,
    coalesce(t.name, n.name) as name,
    t.timezone,
    t.subscription,
    l.account_id is not null as in_leadfeeder_legacy,
    v.account_id is not null as in_leadfeeder
from legacy as l
full join v1 as v on v.account_id = l.account_id
left join {{ ref('leadfeeder_legacy_accounts') }} as t on t.id = l.account_id
left join {{ ref('leadfeeder_accounts') }} as n on n.id = v.account_id
