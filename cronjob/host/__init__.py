"""What touches the machine, one outside thing per file.

Where to look, room by room; the launcher's other process is the guardian.

The machine     clock, identity, accounts, usernames, lookup, processes, gauges
Directories     directories, lock
Tables          origin, configfile, tablefiles, trustedfile, watch, zonefiles, cronlock, shortage,
                loading, reload, surroundings
Commands        attempts, environment, shellprobe, limits, cgroup, output, jobserver, launcher,
                launches, guardian_process, channel
Guardian        guardian_main, guardian, isolation, child, native, nativefile, belonging, sweep
Effects         performing, endings
History         history
Restarts        succession, registration, bootnote, leftovers
Notices         notices, outbox, mailer, hooks
Answers         control, answers, following, past
Log             journal, systemd
"""
