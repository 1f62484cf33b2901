{# Models that are kept day by day. What a day should hold stands in a view; a run compares it with what the table holds,
   day by day, and rebuilds the days that differ: late rows come in, changed ones change, vanished ones go, whenever
   and however they were loaded. #}

{# One number for a set of rows, whatever their order; rows are named by their table's alias. #}
{% macro fingerprint(alias) -%}
    {{ adapter.dispatch('fingerprint')(alias) }}
{%- endmacro %}
{% macro default__fingerprint(alias) -%} sum(hash({{ alias }})) {%- endmacro %}
{% macro postgres__fingerprint(alias) -%} sum(hashtextextended({{ alias }}::text, 0)) {%- endmacro %}

{# Before a run: take the days away that are no longer what they should be. #}
{% macro forget_changed_days(rows) -%}
    {%- if is_incremental() -%}
    delete from {{ this }} where (account_id, visit_date) in (
        select is_.account_id, is_.visit_date
        from (select account_id, visit_date, {{ fingerprint('t') }} as rows_ from {{ this }} as t group by 1, 2) as is_
        left join (
            select account_id, visit_date, {{ fingerprint('v') }} as rows_ from {{ rows }} as v group by 1, 2
        ) as should_be on should_be.account_id = is_.account_id and should_be.visit_date = is_.visit_date
        where should_be.rows_ is null or should_be.rows_ <> is_.rows_
    )
    {%- else -%}
    select 1
    {%- endif -%}
{%- endmacro %}

{# The days that the table does not hold. #}
{% macro missing_days(rows) -%}
    select rows_.* from {{ rows }} as rows_
    {%- if is_incremental() %}
    left join (select distinct account_id, visit_date from {{ this }}) as is_
        on is_.account_id = rows_.account_id and is_.visit_date = rows_.visit_date
    where is_.account_id is null
    {%- endif %}
{%- endmacro %}

{# PostgreSQL looks rows up by an index; DuckDB by itself. #}
{% macro indexes(lists) -%}
    {%- set found = [] -%}
    {%- if target.type == 'postgres' -%}
        {%- for columns in lists -%}{%- do found.append({'columns': columns}) -%}{%- endfor -%}
    {%- endif -%}
    {{ return(found) }}
{%- endmacro %}
