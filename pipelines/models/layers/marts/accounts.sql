select
    coalesce(l.id, v.id) as account_id,
    coalesce(l.name, v.name) as name,
    l.timezone,
    l.subscription,
    l.id is not null as in_leadfeeder_legacy,
    v.id is not null as in_leadfeeder
from {{ ref('leadfeeder_legacy_accounts') }} as l
full join {{ ref('leadfeeder_accounts') }} as v on v.id = l.id
