# Gives every broker its share of all partitions: what a new one has none of by itself. Kafka's own tool says where copies go.
# usage: spread.sh [--dry-run]
set -u
java={{ jdk.home }}/bin/java
libs='{{ software }}/libs/*'
{%- if version_below(version, "2.5.0") %}
at='--zookeeper {% for z in services.zookeeper | sort(attribute="ordinal") %}{{ z.address }}:{{ z.client_port }}{{ "," if not loop.last else "" }}{% endfor %}{{ chroot }}'
{%- else %}
at='--bootstrap-server {% for one in service.instances %}{{ one.address }}:{{ one.port }}{{ "," if not loop.last else "" }}{% endfor %}'
{%- endif %}
# Words in $at are two; a topic is letters, digits, dots, dashes and underscores.
tool() { "$java" -Xmx128m -cp "$libs" "$@"; }
reassign() { tool kafka.admin.ReassignPartitionsCommand $at --reassignment-json-file to.json "$@" 2>&1; }

topics=$(tool kafka.admin.TopicCommand $at --list) || exit 1
[ -n "$topics" ] || { echo "there is no topic"; exit 0; }
printf '{"version":1,"topics":[%s]}' "$(printf '{"topic":"%s"}\n' $topics | paste -s -d , -)" >topics.json
said=$(tool kafka.admin.ReassignPartitionsCommand $at --topics-to-move-json-file topics.json --generate \
    --broker-list {% for one in service.instances %}{{ one.ordinal }}{{ "," if not loop.last else "" }}{% endfor %} 2>&1) || { printf '%s\n' "$said"; exit 1; }
printf '%s\n' "$said" | sed -n '/^Proposed/,$p' | sed -n 2p >to.json
[ -s to.json ] || { printf '%s\n' "$said"; exit 1; }
[ "${1:-}" != --dry-run ] || { cat to.json; exit 0; }

out=$(reassign --execute --throttle {{ drain_rate }})
case $out in *"uccessfully started"*) ;; *) printf '%s\n' "$out"; exit 1 ;; esac
# When all have arrived, the same command takes the limit of the rate away.
while out=$(reassign --verify); do
    case $out in
    *"still in progress"*) sleep 2 ;;
    *xception* | *failed*) printf '%s\n' "$out"; exit 1 ;;
    *) printf '%s\n' "$out" | tail -n 1; exit 0 ;;
    esac
done
printf '%s\n' "$out"
exit 1
