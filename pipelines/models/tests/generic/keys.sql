{# Rows that have no key, or share one. #}
{% test key(model, columns) %}
    select {{ columns | join(', ') }}, count(*) as times
    from {{ model }}
    group by {{ columns | join(', ') }}
    having count(*) > 1
        {%- for column in columns %} or {{ column }} is null{% endfor %}
{% endtest %}

{# Rows that refer to none of another table; an empty reference is none. #}
{% test refers(model, columns, to, its=none) %}
    select {{ columns | join(', ') }}
    from {{ model }} as ours
    where {{ columns[-1] }} is not null and not exists (
        select 1 from {{ to }} as theirs
        where {% for column in columns %}theirs.{{ (its or columns)[loop.index0] }} = ours.{{ column }}{{ ' and ' if not loop.last }}{% endfor %}
    )
{% endtest %}

{# Rows outside a range; both ends are inside it. #}
{% test within(model, column_name, at_least=none, at_most=none) %}
    select {{ column_name }} from {{ model }}
    where {% if at_least is not none %}{{ column_name }} < {{ at_least }}{% else %}false{% endif %}
        or {% if at_most is not none %}{{ column_name }} > {{ at_most }}{% else %}false{% endif %}
{% endtest %}

{# Rows for which a condition does not hold. #}
{% test holds(model, condition) %}
    select * from {{ model }} where not ({{ condition }})
{% endtest %}
