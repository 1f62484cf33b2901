select
    h.lead_id,
    cast(row_number() over (partition by h.lead_id order by h.valid_from) as bigint) as step,
    r.company_id,
    lag(h.status) over (partition by h.lead_id order by h.valid_from) as from_status,
    h.status as to_status,
    h.valid_from as changed_at,
    cast(h.valid_from at time zone 'UTC' as date) as changed_on,
    h.valid_to as left_at,
    h.valid_to is null as is_current,
    cast(floor(extract(epoch from h.valid_from - lag(h.valid_from) over (partition by h.lead_id order by h.valid_from))
        / 3600) as bigint) as hours_before,
    r.created_at as lead_created_at
from {{ ref('leedo_lead_status_history') }} as h
left join {{ ref('company_records') }} as r on r.kind = 'leedo_lead' and r.record_id = h.lead_id
