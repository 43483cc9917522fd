# Sourced by fleet.sh and cluster.sh: a fleet of simulated nodes, a process for each of three datacenters, so that one
# can be lost. Wants: binary, directory, names, agents (arrays), each (nodes in a datacenter), ask (how to be let in).
fleet() { # fleet SERVER...: each process begins with another server and knows all of them
  local servers=("$@") all number ready=
  all=$(IFS=,; echo "${servers[*]}")
  "$binary" pool show edge --server "$all" "${ask[@]}" >/dev/null 2>&1 ||
    "$binary" pool create edge --cidr 10.1.0.0/16 --server "$all" "${ask[@]}" >/dev/null || return 1
  for number in 1 2 3; do
    "$binary" agent --server "$(IFS=,; echo "${servers[*]}")" "${ask[@]}" --nodes "$each" --prefix "sim-$number" \
      --datacenter "dc-$number" --zones 2 --racks 2 --vcpus 16 --memory 64G --price-vcpu "0.0$number" \
      --price-memory "0.00$number" --seed "$number" >>"$directory/agents-$number.log" 2>&1 &
    agents+=($!)
    names[$!]="the nodes of dc-$number (see $directory/agents-$number.log)"
    servers=("${servers[@]:1}" "${servers[0]}")
  done
  for _ in $(seq 100); do
    [ "$("$binary" node list --state ready -o name --server "$all" "${ask[@]}" 2>/dev/null | wc -l)" -ge $((3 * each)) ] &&
      { ready=1; break; }
    sleep 0.1
  done
  [ -n "$ready" ] || { echo "not all nodes have come: see $directory/agents-1.log" >&2; return 1; }
}
