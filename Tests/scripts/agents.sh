# Sourced by fleet.sh and cluster.sh. Wants: binary, directory, names, agents (arrays), each (nodes in a datacenter),
# ask (how to be let in).

# started NAME: the last process in the background has this name; that it ended is told by us and not by bash.
started() {
  names[$!]=$1
  disown
}

end() { # end PID...: asks those that are not known to have ended to stop, and waits until they have
  local pid here=()
  for pid in "$@"; do [ -z "${names[$pid]+known}" ] || here+=("$pid"); done
  [ ${#here[@]} = 0 ] || kill -TERM "${here[@]}" 2>/dev/null
  for pid in "${here[@]}"; do while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done; done
}

watch() { # tells who ended, for ever
  local pid
  while sleep 0.5; do
    for pid in "${!names[@]}"; do
      kill -0 "$pid" 2>/dev/null && continue
      echo "ended: ${names[$pid]}"
      unset "names[$pid]"
    done
  done
}

# A fleet of simulated nodes, a process for each of three datacenters, so that one can be lost.
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
    started "the nodes of dc-$number (see $directory/agents-$number.log)"
    servers=("${servers[@]:1}" "${servers[0]}")
  done
  for _ in $(seq 100); do
    [ "$("$binary" node list --state ready -o name --server "$all" "${ask[@]}" 2>/dev/null | wc -l)" -ge $((3 * each)) ] &&
      { ready=1; break; }
    sleep 0.1
  done
  [ -n "$ready" ] || { echo "not all nodes have come: see $directory/agents-1.log" >&2; return 1; }
}
