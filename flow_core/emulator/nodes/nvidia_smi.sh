#!/bin/sh
# Prints what NVIDIA's nvidia-smi prints, for the GPUs that the machine's table lists. As the real one, it ignores
# the caller's CUDA_VISIBLE_DEVICES. A GPU is busy while a program of the startup script or of a service runs, or
# Python anywhere; shells and small tools use none. All figures follow from the time and from the programs' ages.

LC_ALL=C
NVIDIA_SMI=1 # marks the helpers of this script
export LC_ALL NVIDIA_SMI
table=$FLOW_NODE_ROOT/var/lib/foundry/gpus
tools=' sh bash dash zsh fish tcsh sudo su env setsid nohup timeout sleep tail head cat tee sed grep seq date sort tr'
tools="$tools cp mv rm ls mkdir chmod mount systemctl tmux screen sshd sftp-server ssh scp rsync tar gzip curl wget git"
tools="$tools apt apt-get dpkg pip uv make xargs watch torchrun accelerate mpirun "
usage="usage: nvidia-smi [-L] [-i ID,...] [-l SECONDS | -lms MILLISECONDS] [-pm 0|1] [--version]
       nvidia-smi --query-gpu=FIELD,... --format=csv[,noheader][,nounits]
       nvidia-smi --query-compute-apps=FIELD,... --format=csv[,noheader][,nounits]
Without a query it prints a table. The GPUs of this machine are emulated."

refuse() {
    echo "nvidia-smi: $1" >&2
    exit 1
}

# Each program as lines "up SECONDS", "stat /proc/PID/stat", "env PID NAME=VALUE" and "arg PID PROGRAM".
programs() {
    sed 's/^/up /' /proc/uptime
    cat /proc/[0-9]*/stat | sed 's/^/stat /'
    names='NVIDIA_SMI|SSH_CONNECTION|CUDA_VISIBLE_DEVICES|LOCAL_RANK|LOCAL_WORLD_SIZE|FLOW_NODE_ROOT'
    grep -asHzE "^($names)=" /proc/[0-9]*/environ | tr '\n\0' ' \n' | sed 's|^/proc/\([0-9]*\)/environ:|env \1 |'
    grep -asHzm1 '' /proc/[0-9]*/cmdline | tr '\n\0' ' \n' | sed 's|^/proc/\([0-9]*\)/cmdline:|arg \1 |'
} 2>/dev/null

show() {
    { sed 's/^/gpu /' "$table"; programs; } | awk -v what="$what" -v query="$query" -v format=",$format," -v ids="$ids" \
        -v again="$again" -v date="$(date '+%Y/%m/%d %H:%M:%S.000')" -v today="$(date '+%a %b %e %H:%M:%S %Y')" \
        -v tools="$tools" -v root="$FLOW_NODE_ROOT" '
    function wave(period, phase) { return sin(6.2832 * up / period + phase) }
    function cell(value, unit) { return value (unit != "" && format !~ /,nounits,/ ? " " unit : "") }
    function base(path) { sub(/.*\//, "", path); sub(/^-/, "", path); return path }
    function is_program(pid) {
        if (!(pid in arg) || (pid, "NVIDIA_SMI") in env || env[pid, "FLOW_NODE_ROOT"] != root) return 0
        if ((pid, "SSH_CONNECTION") in env) return base(arg[pid]) ~ /^python/
        return pid != 1 && !index(tools, " " base(arg[pid]) " ")
    }
    # "" where it uses none; else numbers with blanks around them. A rank of several has one of those that it may use.
    function uses(pid,    words, found, count, i, j) {
        for (i = 0; i < total; i++) found = found " " i
        if ((pid, "CUDA_VISIBLE_DEVICES") in env) {
            count = split(env[pid, "CUDA_VISIBLE_DEVICES"], words, /[, ]+/)
            found = ""
            for (i = 1; i <= count; i++) for (j = 0; j < total; j++)
                if (words[i] == j "" || (words[i] ~ /^GPU-/ && index(uuid[j], words[i]) == 1)) found = found " " j
        }
        if (env[pid, "LOCAL_WORLD_SIZE"] > 1 && (count = split(found, words, " ")) > 0)
            found = " " words[env[pid, "LOCAL_RANK"] % count + 1]
        return found == "" ? "" : found " "
    }
    function use(pid, i,    age, need) {
        for (i = 0; i < total; i++) if (index(gpus_of[pid], " " i " ")) {
            age = up - began[pid]
            if (!(i in oldest) || age > oldest[i]) oldest[i] = age
            need = (age < 8 ? .1 + .9 * age / 8 : 1) * (.7 + .04 * sin(i) + .015 * wave(11, i + phase[i]))
            app_gpu[++apps] = i; app_pid[apps] = pid; app_share[apps] = need
            users[i]++
        }
    }
    # One pause of the GPUs in 45 s, as at a checkpoint or while the next data is awaited.
    function measure(i,    load, lag, j) {
        load = 0; memory_used[i] = 1
        if (users[i]) {
            load = 94 + 3 * wave(7, i + phase[i]) + 3 * wave(2.3, 2 * i)
            if ((up + 3 * phase[i]) % 45 < 4) load = 30 + 10 * wave(3, i)
            lag = 1 - exp(-oldest[i] / 20)
        }
        percent[i] = int(load)
        power[i] = limit[i] * (.1 + .0075 * load) * (1 + .01 * wave(3.7, i))
        celsius[i] = int(29 + i % 3 + lag * (33 + i % 4 + .05 * (load - 90) + 1.5 * wave(19, i)))
        for (j = 1; j <= apps; j++) if (app_gpu[j] == i) {
            app_memory[j] = int(memory[i] * app_share[j] / users[i])
            memory_used[i] += app_memory[j]
        }
        if (users[i]) memory_used[i] += 468
    }
    function known(name, i) {
        if (name == "timestamp") return date
        if (name == "index") return i
        if (name == "count") return total
        if (name == "name") return model[i]
        if (name == "uuid") return uuid[i]
        if (name == "pci.bus_id") return bus[i]
        if (name == "serial") return "0000000000000"
        if (name == "driver_version") return driver
        if (name == "compute_cap") return capability[i]
        if (name == "pstate") return "P0"
        if (name == "persistence_mode") return "Enabled"
        if (name == "compute_mode") return "Default"
        if (name == "mig.mode.current" || name == "mig.mode.pending") return "Disabled"
        if (name == "ecc.mode.current" || name == "ecc.mode.pending") return "Enabled"
        if (name ~ /^ecc\.errors\.(un)?corrected\.(volatile|aggregate)\.total$/) return 0
        if (name == "display_mode" || name == "display_active") return "Disabled"
        if (name == "fan.speed") { units[name] = "%"; return "[N/A]" }
        if (name == "temperature.gpu") return celsius[i]
        if (name == "temperature.memory") return celsius[i] + 8
        if (name == "utilization.gpu") return cell(percent[i], units[name] = "%")
        if (name == "utilization.memory") return cell(int(percent[i] * .45), units[name] = "%")
        if (name == "memory.total") return cell(memory[i], units[name] = "MiB")
        if (name == "memory.used") return cell(memory_used[i], units[name] = "MiB")
        if (name == "memory.reserved") return cell(0, units[name] = "MiB")
        if (name == "memory.free") return cell(memory[i] - memory_used[i], units[name] = "MiB")
        if (name ~ /^power\.draw(\.average|\.instant)?$/) return cell(sprintf("%.2f", power[i]), units[name] = "W")
        if (name ~ /^(enforced\.power|power(\.(default|max))?|power)[._](limit)$/)
            return cell(sprintf("%.2f", limit[i]), units[name] = "W")
        if (name ~ /^clocks\.current\.(graphics|sm)$/) return cell(users[i] ? 1755 : 345, units[name] = "MHz")
        if (name == "clocks.current.memory") return cell(2619, units[name] = "MHz")
        if (name ~ /^clocks\.max\.(graphics|sm)$/) return cell(1980, units[name] = "MHz")
        return unknown
    }
    function known_of_app(name, j,    i) {
        i = app_gpu[j]
        if (name == "timestamp") return date
        if (name == "gpu_name") return model[i]
        if (name == "gpu_uuid") return uuid[i]
        if (name == "gpu_bus_id") return bus[i]
        if (name == "gpu_serial") return "0000000000000"
        if (name == "pid") return app_pid[j]
        if (name == "process_name") return arg[app_pid[j]]
        if (name == "used_gpu_memory") return cell(app_memory[j], units[name] = "MiB")
        return unknown
    }
    function answer(name, which) { return what == "apps" ? known_of_app(name, which) : known(name, which) }
    function csv(    fields, count, i, j, line) {
        count = split(query, fields, / *, */)
        for (i = 1; i <= count; i++) {
            if (what == "gpus" && fields[i] in short) fields[i] = short[fields[i]]
            if (what == "apps" && fields[i] in short_of_app) fields[i] = short_of_app[fields[i]]
            if (answer(fields[i], 0) == unknown) {
                printf "Field \"%s\" is not a valid field to query.\n\n", fields[i]
                exit 2
            }
            line = line (i > 1 ? ", " : "") fields[i] (fields[i] in units ? " [" units[fields[i]] "]" : "")
        }
        if (format !~ /,noheader,/ && !again) print line
        for (j = what == "apps"; j < total || (what == "apps" && j <= apps); j++)
            if (what == "apps" ? j <= apps && (app_gpu[j] in chosen) : j in chosen) {
                line = ""
                for (i = 1; i <= count; i++) line = line (i > 1 ? ", " : "") answer(fields[i], j)
                print line
            }
    }
    function rule(mark, text) { gsub(/-/, mark, text); print text }
    function draw(    wide, three, i, j, shown) {
        wide = "+-----------------------------------------------------------------------------------------+"
        three = "-----------------------------------------+------------------------+----------------------"
        printf "%s       \n%s\n", today, wide
        printf "|%-89s|\n", sprintf(" NVIDIA-SMI %-22s Driver Version: %-14s CUDA Version: %s", driver, driver, "12.8")
        print "|" three "+"
        print "| GPU  Name                 Persistence-M | Bus-Id          Disp.A | Volatile Uncorr. ECC |"
        print "| Fan  Temp   Perf          Pwr:Usage/Cap |           Memory-Usage | GPU-Util  Compute M. |"
        print "|                                         |                        |               MIG M. |"
        rule("=", "|" three "|")
        for (i = 0; i < total; i++) if (i in chosen) {
            printf "|%4d  %-31.31sOn  |   %s Off |%21d |\n", i, model[i], bus[i], 0
            printf "| N/A%5dC    P0%15.0fW /%5dW |%8dMiB /%7dMiB |%7d%%      Default |\n", celsius[i], power[i],
                limit[i], memory_used[i], memory[i], percent[i]
            printf "|%41s|%24s|%21s |\n+%s+\n", "", "", "Disabled", three
        }
        printf "%91s\n%s\n", "", wide
        printf "|%-89s|\n", " Processes:"
        printf "|%-89s|\n", "  GPU   GI   CI              PID   Type   Process name                        GPU Memory"
        printf "|%-89s|\n", "        ID   ID                                                               Usage"
        rule("=", "|-----------------------------------------------------------------------------------------|")
        for (j = 1; j <= apps; j++) if (app_gpu[j] in chosen) {
            printf "|%5d   N/A  N/A %15d      C   %-36.36s%7dMiB |\n", app_gpu[j], app_pid[j], arg[app_pid[j]], app_memory[j]
            shown++
        }
        if (!shown) printf "|%-89s|\n", "  No running processes found"
        print wide
    }
    BEGIN {
        driver = "570.86.15"; unknown = "\001"
        count = split("gpu_name name gpu_uuid uuid gpu_bus_id pci.bus_id gpu_serial serial clocks.sm clocks.current.sm" \
            " clocks.gr clocks.current.graphics clocks.mem clocks.current.memory", pairs, " ")
        for (i = 1; i < count; i += 2) short[pairs[i]] = pairs[i + 1]
        short_of_app["used_memory"] = "used_gpu_memory"; short_of_app["name"] = "process_name"
    }
    $1 == "gpu" {
        split(substr($0, 5), part, "|")
        i = total++
        model[i] = part[1]; memory[i] = part[2]; limit[i] = part[3]; capability[i] = part[4]
        uuid[i] = part[5]; bus[i] = part[6]; phase[i] = part[7]
    }
    $1 == "up" { up = $2 }
    $1 == "stat" { pid = $2; sub(/^.*\) /, ""); if ($1 != "Z") { parent[pid] = $2; began[pid] = $20 / 100 } }
    $1 == "env" { equal = index($3, "="); env[$2, substr($3, 1, equal - 1)] = substr($3, equal + 1) }
    $1 == "arg" { sub(/^arg /, ""); pid = $1; sub(/^[0-9]+ /, ""); arg[pid] = $0; order[++listed] = pid }
    END {
        for (i = 1; i <= listed; i++) if (is_program(order[i]) && order[i] in began) gpus_of[order[i]] = uses(order[i])
        # Workers of a program that is on the same GPUs hold no memory of their own there.
        for (i = 1; i <= listed; i++) if (gpus_of[order[i]] != "" && gpus_of[parent[order[i]]] != gpus_of[order[i]])
            use(order[i])
        for (i = 0; i < total; i++) measure(i)
        count = split(ids, wanted, ",")
        for (i = 0; i < total; i++) {
            if (ids == "") chosen[i] = 1
            for (j = 1; j <= count; j++) if (wanted[j] == i "" || wanted[j] == uuid[i] || wanted[j] == bus[i]) chosen[i] = 1
            found += (i in chosen)
        }
        if (!found) { print "No devices were found"; exit 6 }
        # By GPU, as the real one lists them.
        for (i = 2; i <= apps; i++) for (j = i; j > 1 && app_gpu[j] < app_gpu[j - 1]; j--) {
            g = app_gpu[j]; app_gpu[j] = app_gpu[j - 1]; app_gpu[j - 1] = g
            g = app_pid[j]; app_pid[j] = app_pid[j - 1]; app_pid[j - 1] = g
            g = app_memory[j]; app_memory[j] = app_memory[j - 1]; app_memory[j - 1] = g
        }
        if (what == "list") for (i = 0; i < total; i++) if (i in chosen) printf "GPU %d: %s (UUID: %s)\n", i, model[i], uuid[i]
        if (what == "persist") {
            for (i = 0; i < total; i++) if (i in chosen) print "Persistence mode is already Enabled for GPU " bus[i] "."
            print "All done."
        }
        if (what == "table") draw()
        if (what == "gpus" || what == "apps") csv()
    }'
}

what=table query='' format='' ids='' pause='' again=''
while [ $# -gt 0 ]; do
    option=$1
    shift
    case $option in
        -*=*) value=${option#*=} option=${option%%=*} ;;
        -l | --loop) case ${1-} in [0-9]*) value=$1; shift ;; *) value=5 ;; esac ;;
        -i | --id | -lms | --loop-ms | -pm | --persistence-mode | --query-gpu | --query-compute-apps | --format)
            [ $# -gt 0 ] || refuse "$option needs a value; see nvidia-smi -h"
            value=$1
            shift
            ;;
    esac
    case $option in
        -L | --list-gpus) what=list ;;
        --query-gpu) what=gpus query=$value ;;
        --query-compute-apps) what=apps query=$value ;;
        --format) format=$(printf %s "$value" | tr -d ' ') ;;
        -i | --id) ids=$(printf %s "$value" | tr -d ' ') ;;
        -l | --loop) pause=$value ;;
        -lms | --loop-ms) pause=$(awk -v ms="$value" 'BEGIN { print ms / 1000 }') ;;
        -pm | --persistence-mode) what=persist ;;
        -h | --help) echo "$usage"; exit 0 ;;
        --version) printf '%s\n' 'NVIDIA-SMI version  : 570.86.15' 'NVML version        : 570.86' \
            'DRIVER version      : 570.86.15' 'CUDA Version        : 12.8'; exit 0 ;;
        *) refuse "$option is not emulated here; see nvidia-smi -h" ;;
    esac
done
[ -z "$query" ] || case ",$format," in *,csv,*) ;; *) refuse '--format=csv is missing' ;; esac
show || exit
while [ -n "$pause" ]; do
    sleep "$pause"
    again=1
    show || exit
done
