# Gives every broker its share of all partitions: what a new one has none of by itself. Kafka's own tool says where copies go. Who
# runs it again after it was lost finishes what it had begun, first of all the limit of the rate.
# usage: spread.sh [--dry-run]
set -u
java={{ jdk.home }}/bin/java
libs='{{ software }}/libs/*'
begun={{ dirs.tmp }}/spread.json
{%- set ensemble %}--zookeeper {% for z in services.zookeeper | sort(attribute="ordinal") %}{{ z.address }}:{{ z.client_port }}{{ "," if not loop.last else "" }}{% endfor %}{{ chroot }}{% endset %}
{%- set brokers %}--bootstrap-server {% for one in service.instances %}{{ one.address }}:{{ one.port }}{{ "," if not loop.last else "" }}{% endfor %}{% endset %}
# Two words each, or one in which there is no blank; a topic is letters, digits, dots, dashes and underscores.
of_topics='{{ ensemble if version_below(version, "2.5.0") else brokers }}'
of_copies='{{ ensemble if version_below(version, "2.6.0") else brokers }}'
tool() { "$java" -Xmx128m -cp "$libs" "$@" 2>&1; }

# Until all copies have arrived; the same command takes the limit of the rate away then. One that could not ask asks again.
finish() {
    while :; do
        if out=$(tool kafka.admin.ReassignPartitionsCommand $of_copies --reassignment-json-file "$begun" --verify); then
            printf '%s\n' "$out" | grep -Eq ' failed\.?$' && break
            printf '%s\n' "$out" | grep -Eq ' is still in progress\.?$|^[A-Za-z. ]*(Exception|Error)[: ]' || { rm -f "$begun"; return 0; }
        fi
        sleep 2
    done
    printf '%s\n' "$out"
    return 1
}

if [ -s "$begun" ] && [ "${1:-}" != --dry-run ]; then
    finish || exit 1
    echo "what an earlier run had begun has arrived; run it again to spread what has changed since"
    exit 0
fi
topics=$("$java" -Xmx128m -cp "$libs" kafka.admin.TopicCommand $of_topics --list) || exit 1
[ -n "$topics" ] || { echo "there is no topic"; exit 0; }
printf '{"version":1,"topics":[%s]}' "$(printf '{"topic":"%s"}\n' $topics | paste -s -d , -)" >topics.json
said=$(tool kafka.admin.ReassignPartitionsCommand $of_copies --topics-to-move-json-file topics.json --generate \
    --broker-list {% for one in service.instances %}{{ one.ordinal }}{{ "," if not loop.last else "" }}{% endfor %}) || { printf '%s\n' "$said"; exit 1; }
printf '%s\n' "$said" | sed -n '/^Proposed/,$p' | sed -n 2p >to.json
[ -s to.json ] || { printf '%s\n' "$said"; exit 1; }
[ "${1:-}" != --dry-run ] || { cat to.json; exit 0; }

mv to.json "$begun" || exit 1
out=$(tool kafka.admin.ReassignPartitionsCommand $of_copies --reassignment-json-file "$begun" --execute --throttle {{ drain_rate }})
case $out in
*"uccessfully started"*) ;;
*)
    rm -f "$begun"
    printf '%s\n' "$out"
    exit 1
    ;;
esac
finish || exit 1
echo "all copies have arrived"
