select distinct on (id) id as location_id, country, country_code, region, city
from (
    select 1 as place, * from {{ ref('leadfeeder_legacy_locations') }}
    union all
    select 2 as place, * from {{ ref('leadfeeder_locations') }}
) as places
order by id, place
