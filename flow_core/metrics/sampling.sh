# Prints how busy this machine is, every $pause seconds until stdin ends, as lines "frame tag text" for flow_core.
# It needs only a POSIX sh, because the machine is unknown. $pause and $limit (seconds) are set above.

LC_ALL=C
PATH=$PATH:/usr/lib/wsl/lib:/usr/sbin:/sbin
export LC_ALL PATH
exec 2>/dev/null

# The name comes last: only it may contain a comma. Drivers before 450 have no MIG.
older=index,uuid,pci.bus_id,utilization.gpu,memory.used,memory.total,power.draw,power.limit,temperature.gpu
older=$older,ecc.errors.uncorrected.volatile.total
fields=$older,mig.mode.current,name
older=$older,name
apps=gpu_uuid,pid,used_memory,process_name
cpus=$(getconf _NPROCESSORS_ONLN || sysctl -n hw.ncpu)

tagged() {
    sed "s/^/$n $1 /"
}

# Runs a command and kills it after $limit seconds. Some systems have no `timeout`.
limited() {
    "$@" </dev/null 2>&1 &
    cmd=$!
    (
        trap 'kill $!' TERM
        sleep "$limit" &
        wait $! && kill -s KILL $cmd
    ) >/dev/null 2>&1 &
    guard=$!
    wait $cmd
    status=$?
    kill $guard
    [ $status -ne 137 ] || echo "$1 did not answer within $limit s"
    return $status
}

machine() {
    echo "$n cpus $cpus"
    if [ -r /proc/meminfo ]; then
        sed "s/^/$n load /" /proc/loadavg
        sed -n "/^Mem[TFA]/s/^/$n mem /p" /proc/meminfo
    else
        sysctl -n vm.loadavg | tagged load
        sysctl -n hw.memsize | tagged memsize
        vm_stat | tagged vm
    fi
}

gpus() {
    out=$(limited nvidia-smi --query-gpu=$fields --format=csv,nounits)
    answered=$?
    case $out in
    *'not a valid field'*) out=$(limited nvidia-smi --query-gpu=$older --format=csv,nounits) ;;
    esac
    printf '%s\n' "$out" | tagged gpu
    [ $answered -ne 137 ] || return
    case $out in
    *', Enabled,'*)
        limited nvidia-smi -L | tagged list
        # Keep only the parts about slices: about 1 % of the output.
        limited nvidia-smi -q -x | awk '
            /<mig_devices>|<processes>/ { kept = 1 }
            kept || /<\/?(nvidia_smi_log|gpu)[ >]/ || /<uuid>/ { print }
            /<\/(mig_devices|processes)>/ { kept = 0 }' | tagged xml
        ;;
    esac
    return 0
}

# Make one call for all processes: there may be hundreds.
processes() {
    out=$(limited nvidia-smi --query-compute-apps=$apps --format=csv,nounits)
    printf '%s\n' "$out" | tagged app
    pids=$(printf '%s\n' "$out" | sed -n 's/^[^,]*, *\([0-9][0-9]*\),.*/\1/p' | sort -u | head -n 500)
    [ -n "$pids" ] && cd /proc || return
    ls -ld $pids | tagged who
    grep -asHz '^FLOW_TASK_ID=' $(printf '%s/environ ' $pids) | tr '\0' '\n' |
        sed -n "s/^\([0-9]*\).environ:FLOW_TASK_ID=/$n task \1 /p"
}

# The kernel may allow only root or a group to read its log.
kernel() {
    log=$(limited dmesg) || log=$(limited journalctl -k -b -q --no-pager)
    printf '%s\n' "$log" | grep -a 'NVRM: Xid' | tail -n 50 | tagged xid
}

frame() {
    machine
    if command -v nvidia-smi >/dev/null; then
        gpus && processes
        [ $((n % 10)) -ne 1 ] || kernel
    fi
    echo "$n end"
}

# A broken driver can block nvidia-smi so that no signal ends it. Then start no other one and report the rest.
sampling() {
    n=0 late=0 job=
    while :; do
        n=$((n + 1))
        if [ -n "$job" ] && kill -0 "$job"; then
            late=$((late + pause))
            if [ $late -gt $((limit + pause)) ]; then
                machine
                echo "$n stuck $late"
                echo "$n end"
            fi
        else
            late=0
            frame &
            job=$!
        fi
        sleep "$pause"
    done
}

sampling &
loop=$!
cat >/dev/null
# Kill the process group if it is our own. Some servers give a command no group; there, running commands end by themselves.
[ "$(ps -o pgid= -p $$)" -eq $$ ] && kill -s KILL 0
kill -s KILL $loop
