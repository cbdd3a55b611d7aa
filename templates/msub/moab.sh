#!/bin/bash -l
#MSUB -S /bin/bash
{% for line in directives %}{{ line | safe }}
{% endfor %}{% include "body.sh" %}
