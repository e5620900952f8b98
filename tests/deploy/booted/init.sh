#!/bin/bash
# Process 1 of a machine in namespaces: `init.sh FOLDER`, with what `machine.py` has put there. Makes a root of its own,
# with the programs of this machine and none of its other files, and becomes systemd.
#   FOLDER/units   all units that this systemd knows      FOLDER/etc     what lies in /etc/earmark
#   FOLDER/state   /var/lib/private/earmark               FOLDER/shown   links to what is to be seen below /run/shown
set -eu
folder=$1
root=$folder/root
mount --make-rprivate /
mkdir "$root"
mount -t tmpfs -o mode=755 tmpfs "$root"
cd "$root"
mkdir -p dev proc sys run tmp root home/ada var/lib var/tmp var/log old
chmod 1777 tmp var/tmp
echo "private" | tee root/diary > home/ada/diary
for name in usr bin sbin lib lib32 lib64 libx32; do
    if [ -L /$name ]; then
        cp -P /$name .
    elif [ -d /$name ]; then
        mkdir $name
        mount --bind /$name $name
    fi
done
cp -a /etc etc
rm -rf etc/earmark etc/systemd/system
cp -r "$folder/units" etc/systemd/system
cp -a "$folder/etc" etc/earmark
chown -R root:root etc/earmark
mkdir -m 700 var/lib/private
# A key that encrypts credentials is made on a lasting file system only.
mkdir var/lib/systemd "$folder/systemd"
mount --bind "$folder/systemd" var/lib/systemd
cp -a "$folder/state" var/lib/private/earmark

mount -t proc proc proc
# This systemd must not tune the kernel that it shares with everybody.
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs sysfs sys
mount -t devtmpfs -o mode=755 devtmpfs dev
mkdir -p dev/pts dev/shm dev/mqueue
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t mqueue mqueue dev/mqueue
mount -t tmpfs -o mode=755 tmpfs run
mkdir -p run/shown run/devices run/logs
# Two devices that everybody may open as far as their modes go: sound (116) and input (13).
mknod -m 666 run/devices/sound c 116 200
mknod -m 666 run/devices/input c 13 63
mount --bind "$folder" run/logs
for link in $(find "$folder/shown" -type l); do
    mkdir "run/shown/${link##*/}"
    mount --bind "$(readlink "$link")" "run/shown/${link##*/}"
done

# The control groups as they look from here.
if [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]; then
    mount -t cgroup2 cgroup2 sys/fs/cgroup
else
    mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
    mkdir sys/fs/cgroup/{unified,systemd,devices,memory,pids}
    mount -t cgroup2 cgroup2 sys/fs/cgroup/unified
    mount -t cgroup -o none,name=systemd,xattr cgroup sys/fs/cgroup/systemd
    for one in devices memory pids; do mount -t cgroup -o $one cgroup sys/fs/cgroup/$one; done
fi

pivot_root . old
cd /
umount -l /old
rmdir /old
# As systemd finds it everywhere else: it prepares credentials in a namespace of their own.
mount --make-rshared /
export container=earmark-test SYSTEMD_UNIT_PATH=/etc/systemd/system SYSTEMD_GENERATOR_PATH=/nonexistent
exec /lib/systemd/systemd --system --unit=lab.target --log-target=null --show-status=no < /dev/null
