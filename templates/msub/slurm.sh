#!/bin/bash -l
{% for line in directives %}{{ line | safe }}
{% endfor %}{% include "body.sh" %}
