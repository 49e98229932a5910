# Runs one PostgreSQL cluster for all processes that hold a lock on users.lock, and removes it when
# none of them has held one for some seconds.
#
# Arguments: folder, folder of PostgreSQL's binaries, user to run as ('' = the caller), those
# seconds, yes|no for whether the folder goes with the cluster, then settings as --name=value.
# Locks: supervisor.lock is held as long as this script runs, and by none of its children.
set -u
cd "$1" || exit 1
folder=$1 bin=$2 user=$3 patience=$4 folder_goes=$5
shift 5

exec 9>supervisor.lock
flock -w 2 9 || exit 0

run=
[ -n "$user" ] && run="setpriv --reuid=$user --regid=$user --init-groups"

# A supervisor that was killed leaves its server behind; it is adopted, as tests may be using it.
server=
[ -f data/postmaster.pid ] && server=$(head -n 1 data/postmaster.pid)
[ -n "$server" ] && [ "$(ps -o comm= -p "$server")" != postgres ] && server=

if [ -z "$server" ]; then
    rm -rf data socket
    mkdir -m 700 data
    mkdir -m 755 socket
    [ -n "$user" ] && chown "$user" data socket

    # A linguistic default order, when it can be had, so that a column that should be COLLATE "C"
    # and is not shows itself.
    init="$run $bin/initdb -D data -U postgres -A trust -E UTF8 --no-sync --locale=C.UTF-8"
    $init --locale-provider=icu --icu-locale=en 9>&- || { rm -rf data/*; $init 9>&-; } || exit 1

    $run "$bin/postgres" -D data -k "$PWD/socket" -c listen_addresses= "$@" 9>&- &
    server=$!
fi
trap 'kill -QUIT $server' TERM INT HUP

idle=0
while kill -0 $server; do
    sleep 1 9>&-
    if flock -n -x users.lock true 9>&-; then idle=$((idle + 1)); else idle=0; fi
    if [ $idle -ge "$patience" ]; then
        # Whoever comes while this lock is held waits, and then finds the supervisor gone.
        exec 8>users.lock
        if flock -n -x 8; then
            kill -QUIT $server
            while kill -0 $server; do sleep 0.1 9>&-; done
            rm -rf data socket
            [ "$folder_goes" = yes ] && cd / && rm -rf "$folder"
            exit 0
        fi
        exec 8>&-
        idle=0
    fi
done
