{# The columns that the model's page declares, of one source table: each cast to its `data_type`, taken from the column
   of its name, or of the name in `config.meta.of`. A column that the table lacks is null, and a table that is not there
   has no rows: a vendor that is not configured leaves its models empty. #}
{% macro staged(source) -%}
    {%- set relation = load_relation(source) if execute else none -%}
    {%- set there = adapter.get_columns_in_relation(relation) | map(attribute='name') | list if relation else [] -%}
    select
    {%- for column in model.columns.values() %}
        {%- set name = column.config.meta.get('of', column.name) %}
        {% if name not in there -%}
            cast(null as {{ column.data_type }})
        {%- elif column.config.meta.get('number') -%}
            {{ number_of(adapter.quote(name)) }}
        {%- else -%}
            cast({{ adapter.quote(name) }} as {{ column.data_type }})
        {%- endif %} as {{ adapter.quote(column.name) }}{{ ',' if not loop.last }}
    {%- else %}
        1 as nothing
    {%- endfor %}
    {%- if relation %}
    from {{ relation }}
    {%- else %}
    where false
    {%- endif %}
{%- endmacro %}

{# A whole number that stands in a text; null where it is none. #}
{% macro number_of(text) -%}
    case when ({{ text }}) similar to '-?[0-9]{1,15}(\.[0-9]*)?'
        then cast(round(cast(({{ text }}) as double precision)) as bigint) end
{%- endmacro %}
