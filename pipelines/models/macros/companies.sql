{# `https://www.Example.com:443/path` → `example.com`; null where there is no host with a dot. #}
{% macro domain_of(url) -%}
    {%- set host -%}
        regexp_replace(regexp_replace(lower(trim({{ url }})), '^[a-z]+://', ''), '[/:?#].*$', '')
    {%- endset -%}
    case when {{ host }} like '%_._%' then regexp_replace({{ host }}, '^www[0-9]?\.', '') end
{%- endmacro %}

{# The domain of a mail address, unless anybody can have one there. A hashed address has none. #}
{% macro mail_domain_of(address) -%}
    {%- set host = "lower(trim(split_part(" ~ address ~ ", '@', 2)))" -%}
    case when {{ host }} like '%_._%' and {{ host }} not in ('{{ var("free_mail") | join("', '") }}')
        then {{ host }} end
{%- endmacro %}

{# What is left of a company's name without case, punctuation and legal form: `Sample & Co. GmbH` → `sample co`. #}
{% macro name_key_of(name) -%}
    {%- set plain -%}
        trim(regexp_replace(lower({{ name }}), '[\s.,;:!&/()"''+_-]+', ' ', 'g'))
    {%- endset -%}
    nullif(regexp_replace({{ plain }}, ' ({{ var("legal_forms") }})$', ''), '')
{%- endmacro %}

{# Whose word of a company counts first. #}
{% macro rank_of_kind() -%}
    case kind when 'leadfeeder_legacy_lead' then 1 when 'leadfeeder_company' then 2 when 'leedo_account' then 3 else 4 end
{%- endmacro %}
