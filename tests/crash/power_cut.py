#!/usr/bin/env python3
"""Cut the power of one file system: `power_cut.py MOUNTPOINT`.

Shuts an ext4 file system down at once without flushing its log, so that all that was not synced
is gone as after a power failure. Root only, and only on a loop mount made for the test. It is
Python because an ioctl from Rust needs unsafe code, which this workspace forbids.
"""
import fcntl
import os
import struct
import sys

# EXT4_IOC_SHUTDOWN, _IOR('X', 125, u32).
SHUTDOWN = (2 << 30) | (4 << 16) | (ord("X") << 8) | 125
NO_LOG_FLUSH = 2

fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
