{# Marts that are kept day by day. `days` has a version of each day of each account: a number made of all rows that the
   vendors now have for it. `built_days` has the versions that the marts were built from. Where they differ, the day is
   in `changed_days`, and its rows are taken away and made anew: late rows come in, changed ones change, vanished ones
   go, whenever and however they were loaded. A run that fails leaves `built_days` as it was. #}

{# One number for a set of rows, whatever their order; rows are named by their table's alias. #}
{% macro fingerprint(alias) -%}
    {{ adapter.dispatch('fingerprint')(alias) }}
{%- endmacro %}
{% macro default__fingerprint(alias) -%} cast(sum(hash({{ alias }})) as text) {%- endmacro %}
{% macro postgres__fingerprint(alias) -%} cast(sum(hashtextextended({{ alias }}::text, 0)) as text) {%- endmacro %}

{# The code of these marts: where it changes, every day does. #}
{% macro revision() -%}
    {%- set texts = [all_visits()] -%}
    {%- if execute -%}
        {%- for name in ('visits', 'page_views', 'company_days') -%}
            {%- do texts.append(graph.nodes['model.' ~ project_name ~ '.' ~ name].raw_code) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ local_md5(texts | join) }}
{%- endmacro %}

{# The versions that the marts were built from; not a reference, as it is built last. #}
{% macro built_days() -%}
    {%- set relation = adapter.get_relation(this.database, 'staging', 'built_days') if execute else none -%}
    {%- if relation -%}
        {{ relation }}
    {%- else -%}
        (select cast(null as text) as account_id, cast(null as date) as visit_date, cast(null as text) as version
            where false)
    {%- endif -%}
{%- endmacro %}

{# Before a run: take the changed days away. #}
{% macro forget_changed_days() -%}
    {%- if is_incremental() -%}
    delete from {{ this }} as t where true {{ of_changed_days('t') }}
    {%- else -%}
    select 1
    {%- endif -%}
{%- endmacro %}

{# A condition that leaves the rows of changed days, where the table is there already. #}
{% macro of_changed_days(alias) -%}
    {%- if is_incremental() -%}
    and ({{ alias }}.account_id, {{ alias }}.visit_date) in (
        select account_id, visit_date from {{ ref('changed_days') }}
    )
    {%- endif -%}
{%- endmacro %}

{# PostgreSQL looks rows up by an index; DuckDB by itself. #}
{% macro indexes(lists) -%}
    {%- set found = [] -%}
    {%- if target.type == 'postgres' -%}
        {%- for columns in lists -%}{%- do found.append({'columns': columns}) -%}{%- endfor -%}
    {%- endif -%}
    {{ return(found) }}
{%- endmacro %}
