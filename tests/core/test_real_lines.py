"""Lines that packages and people really write: each loads, with the entry that cron would run."""

# ruff: noqa: E501 # lines are shown as they are written elsewhere

import pytest

from cronjob.core.table import parse_table

# line, canonical schedule, user, command as the shell gets it
SYSTEM = [
    # Debian, Ubuntu: /etc/crontab, and what packages put into /etc/cron.d.
    ("17 *\t* * *\troot\tcd / && run-parts --report /etc/cron.hourly",
     "17 * * * *", "root", "cd / && run-parts --report /etc/cron.hourly"),
    ("25 6\t* * *\troot\ttest -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }",
     "25 6 * * *", "root",
     "test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }"),
    ("47 6\t* * 7\troot\ttest -x /usr/sbin/anacron || run-parts --report /etc/cron.weekly",
     "47 6 * * 0", "root", "test -x /usr/sbin/anacron || run-parts --report /etc/cron.weekly"),
    ("52 6\t1 * *\troot\trun-parts --report /etc/cron.monthly",
     "52 6 1 * *", "root", "run-parts --report /etc/cron.monthly"),
    ("09,39 *     * * *     root   [ -x /usr/lib/php/sessionclean ] && if [ ! -d /run/systemd/system ]; then /usr/lib/php/sessionclean; fi",
     "9,39 * * * *", "root", "[ -x /usr/lib/php/sessionclean ] && if [ ! -d /run/systemd/system ]; "
     "then /usr/lib/php/sessionclean; fi"),
    ("0 */12 * * * root test -x /usr/bin/certbot -a \\! -d /run/systemd/system && perl -e 'sleep int(rand(43200))' && certbot -q renew --no-random-sleep-on-renew",
     "0 */12 * * *", "root", "test -x /usr/bin/certbot -a \\! -d /run/systemd/system && "
     "perl -e 'sleep int(rand(43200))' && certbot -q renew --no-random-sleep-on-renew"),
    ("57 0 * * 0 root if [ -x /usr/share/mdadm/checkarray ] && [ $(date +\\%d) -le 7 ]; then /usr/share/mdadm/checkarray --cron --all --idle --quiet; fi",
     "57 0 * * 0", "root", "if [ -x /usr/share/mdadm/checkarray ] && [ $(date +%d) -le 7 ]; then "
     "/usr/share/mdadm/checkarray --cron --all --idle --quiet; fi"),
    ("5-55/10 * * * * root command -v debian-sa1 > /dev/null && debian-sa1 1 1",
     "5,15,25,35,45,55 * * * *", "root", "command -v debian-sa1 > /dev/null && debian-sa1 1 1"),
    ("59 23 * * * root command -v debian-sa1 > /dev/null && debian-sa1 60 2",
     "59 23 * * *", "root", "command -v debian-sa1 > /dev/null && debian-sa1 60 2"),
    ("30 3 * * 0 root test -e /run/systemd/system || SERVICE_MODE=1 /usr/lib/x86_64-linux-gnu/e2fsprogs/e2scrub_all_cron",
     "30 3 * * 0", "root", "test -e /run/systemd/system || SERVICE_MODE=1 "
     "/usr/lib/x86_64-linux-gnu/e2fsprogs/e2scrub_all_cron"),
    ("10 3 * * * root test -e /run/systemd/system || SERVICE_MODE=1 /sbin/e2scrub_all -A -r",
     "10 3 * * *", "root", "test -e /run/systemd/system || SERVICE_MODE=1 /sbin/e2scrub_all -A -r"),
    ("30 7-23 * * *   root\t[ -x /etc/init.d/anacron ] && if [ ! -d /run/systemd/system ]; then /usr/sbin/invoke-rc.d anacron start >/dev/null; fi",
     "30 7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23 * * *", "root",
     "[ -x /etc/init.d/anacron ] && if [ ! -d /run/systemd/system ]; then "
     "/usr/sbin/invoke-rc.d anacron start >/dev/null; fi"),
    ("24 0 8-14 * * root if [ $(date +\\%w) -eq 0 ] && [ -x /usr/lib/zfs-linux/scrub ]; then /usr/lib/zfs-linux/scrub; fi",
     "24 0 8,9,10,11,12,13,14 * *", "root",
     "if [ $(date +%w) -eq 0 ] && [ -x /usr/lib/zfs-linux/scrub ]; then /usr/lib/zfs-linux/scrub; fi"),
    ("*/10 * * * * www-data [ -x /usr/share/awstats/tools/update.sh ] && /usr/share/awstats/tools/update.sh",
     "*/10 * * * *", "www-data",
     "[ -x /usr/share/awstats/tools/update.sh ] && /usr/share/awstats/tools/update.sh"),
    ("*/5 * * * *     munin if [ -x /usr/bin/munin-cron ]; then /usr/bin/munin-cron; fi",
     "*/5 * * * *", "munin", "if [ -x /usr/bin/munin-cron ]; then /usr/bin/munin-cron; fi"),
    ("@reboot         logcheck    if [ -x /usr/sbin/logcheck ]; then nice -n10 /usr/sbin/logcheck -R; fi",
     "@reboot", "logcheck", "if [ -x /usr/sbin/logcheck ]; then nice -n10 /usr/sbin/logcheck -R; fi"),
    ("2 * * * *       logcheck    if [ -x /usr/sbin/logcheck ]; then nice -n10 /usr/sbin/logcheck; fi",
     "2 * * * *", "logcheck", "if [ -x /usr/sbin/logcheck ]; then nice -n10 /usr/sbin/logcheck; fi"),
    ("0 8 * * * list [ -x /usr/lib/mailman/cron/checkdbs ] && /usr/lib/mailman/cron/checkdbs",
     "0 8 * * *", "list", "[ -x /usr/lib/mailman/cron/checkdbs ] && /usr/lib/mailman/cron/checkdbs"),
    ("*/5 * * * * www-data php --define suhosin.memory_limit=512M /usr/share/cacti/site/poller.php 2>&1 >/dev/null | if [ -f /usr/bin/ts ] ; then ts ; else tee ; fi >> /var/log/cacti/poller-error.log",
     "*/5 * * * *", "www-data", "php --define suhosin.memory_limit=512M "
     "/usr/share/cacti/site/poller.php 2>&1 >/dev/null | if [ -f /usr/bin/ts ] ; then ts ; "
     "else tee ; fi >> /var/log/cacti/poller-error.log"),
    ("18 */3\t* * *\tamavis\ttest -e /usr/sbin/amavisd-new-cronjob && /usr/sbin/amavisd-new-cronjob sa-sync",
     "18 */3 * * *", "amavis",
     "test -e /usr/sbin/amavisd-new-cronjob && /usr/sbin/amavisd-new-cronjob sa-sync"),
    ("53 * * * * ntpsec /usr/share/ntpsec/ntpviz-hourly", "53 * * * *", "ntpsec",
     "/usr/share/ntpsec/ntpviz-hourly"),
    ("40 3 * * *\troot [ -x /usr/bin/rsnapshot ] && /usr/bin/rsnapshot alpha", "40 3 * * *", "root",
     "[ -x /usr/bin/rsnapshot ] && /usr/bin/rsnapshot alpha"),
    ("30 6 * * 1-5 root /usr/sbin/popularity-contest --su-nobody", "30 6 * * 1,2,3,4,5", "root",
     "/usr/sbin/popularity-contest --su-nobody"),
    ("*/2 * * * * nagios /usr/lib/nagios/plugins/check_mk_agent", "*/2 * * * *", "nagios",
     "/usr/lib/nagios/plugins/check_mk_agent"),
    ("25 2 * * *  _apt  /usr/bin/apt-mirror > /var/spool/apt-mirror/var/cron.log", "25 2 * * *", "_apt",
     "/usr/bin/apt-mirror > /var/spool/apt-mirror/var/cron.log"),
    # RHEL, Fedora, CentOS.
    ("01 * * * * root run-parts /etc/cron.hourly", "1 * * * *", "root", "run-parts /etc/cron.hourly"),
    ("0 1 * * Sun root /usr/sbin/raid-check", "0 1 * * 0", "root", "/usr/sbin/raid-check"),
    ("*/10 * * * * root /usr/lib64/sa/sa1 1 1", "*/10 * * * *", "root", "/usr/lib64/sa/sa1 1 1"),
    ("53 23 * * * root /usr/lib64/sa/sa2 -A", "53 23 * * *", "root", "/usr/lib64/sa/sa2 -A"),
    ("10 4 * * * root /usr/share/spamassassin/sa-update.cron 2>&1 | tee -a /var/log/sa-update.log",
     "10 4 * * *", "root", "/usr/share/spamassassin/sa-update.cron 2>&1 | tee -a /var/log/sa-update.log"),
    ("0 6 1 * * root bash -c 'sleep $((RANDOM \\% 3600))'; dnf -y -q makecache", "0 6 1 * *", "root",
     "bash -c 'sleep $((RANDOM % 3600))'; dnf -y -q makecache"),
    ("11~50 4 * * * root /usr/bin/x", None, "root", "/usr/bin/x"),
    ("0 5 * * * root -n /usr/local/sbin/only-if-it-fails", "0 5 * * *", "root",
     "/usr/local/sbin/only-if-it-fails"),
    # SUSE: the mark of an entry whose starts are not logged.
    ("-*/15 * * * *   root  test -x /usr/lib/cron/run-crons && /usr/lib/cron/run-crons >/dev/null 2>&1",
     "*/15 * * * *", "root",
     "test -x /usr/lib/cron/run-crons && /usr/lib/cron/run-crons >/dev/null 2>&1"),
    ("-5,20,35,50 * * * * root /usr/lib/zypper/refresh", "5,20,35,50 * * * *", "root",
     "/usr/lib/zypper/refresh"),
    # Control panels and applications.
    ("*/15 * * * * root /usr/local/psa/bin/sw-engine-pleskrun /usr/local/psa/admin/plib/DailyMaintainance/script.php >/dev/null 2>&1",
     "*/15 * * * *", "root", "/usr/local/psa/bin/sw-engine-pleskrun "
     "/usr/local/psa/admin/plib/DailyMaintainance/script.php >/dev/null 2>&1"),
    ("30 */4 * * * root /usr/bin/test -x /usr/local/cpanel/scripts/update_mailman_cache && /usr/local/cpanel/scripts/update_mailman_cache",
     "30 */4 * * *", "root", "/usr/bin/test -x /usr/local/cpanel/scripts/update_mailman_cache && "
     "/usr/local/cpanel/scripts/update_mailman_cache"),
    ("0 2 * * * git cd /home/git/gitlab && PATH=/usr/local/bin:/usr/bin:/bin bundle exec rake gitlab:backup:create RAILS_ENV=production CRON=1",
     "0 2 * * *", "git", "cd /home/git/gitlab && PATH=/usr/local/bin:/usr/bin:/bin bundle exec rake "
     "gitlab:backup:create RAILS_ENV=production CRON=1"),
    ("15 04 * * 2-6  root  umask 022; gitlab-ctl backup-etc && cd /etc/gitlab/config_backup && cp $(ls -t | head -n1) /secret/gitlab/backups/",
     "15 4 * * 2,3,4,5,6", "root", "umask 022; gitlab-ctl backup-etc && cd /etc/gitlab/config_backup && "
     "cp $(ls -t | head -n1) /secret/gitlab/backups/"),
    ("*/5 * * * * www-data /usr/bin/php -f /var/www/nextcloud/cron.php", "*/5 * * * *", "www-data",
     "/usr/bin/php -f /var/www/nextcloud/cron.php"),
    ("*/1 * * * * apache cd /var/www/app && php artisan schedule:run >> /dev/null 2>&1", "* * * * *",
     "apache", "cd /var/www/app && php artisan schedule:run >> /dev/null 2>&1"),
    ("* * * * * root flock -n /run/job.lock timeout 50 /usr/local/bin/job", "* * * * *", "root",
     "flock -n /run/job.lock timeout 50 /usr/local/bin/job"),
    ("23 4,16 * * * acme \"/home/acme/.acme.sh\"/acme.sh --cron --home \"/home/acme/.acme.sh\" > /dev/null",
     "23 4,16 * * *", "acme",
     "\"/home/acme/.acme.sh\"/acme.sh --cron --home \"/home/acme/.acme.sh\" > /dev/null"),
    # What people write.
    ("\t  0 0 * * *\troot\t/bin/true   ", "0 0 * * *", "root", "/bin/true   "),
    ("00 00 01 01 00 root x", "0 0 1 1 0", "root", "x"),
    ("0 0 * JAN,jul Mon-FRI root x", "0 0 * 1,7 1,2,3,4,5", "root", "x"),
    ("0 22 * * fri-sun root x", "0 22 * * 0,5,6", "root", "x"),
    ("0 0 1-7 * */7 root x", "0 0 1,2,3,4,5,6,7 * */7", "root", "x"),
    ("0-59/15 8-18/2,22 * * * root x", "0,15,30,45 8,10,12,14,16,18,22 * * *", "root", "x"),
    ("*/20,5 * * * * root x", "*/60,5,20,40 * * * *", "root", "x"),
    ("@weekly\troot\t/usr/sbin/fstrim --all || true", "0 0 * * 0", "root", "/usr/sbin/fstrim --all || true"),
    ("@midnight nobody find /tmp -type f -mtime +7 -exec rm {} \\;", "0 0 * * *", "nobody",
     "find /tmp -type f -mtime +7 -exec rm {} \\;"),
    ("0 4 * * * DOMAIN\\svc /opt/x", "0 4 * * *", "DOMAIN\\svc", "/opt/x"),
    ("0 4 * * * svc@ad.example.com /opt/x", "0 4 * * *", "svc@ad.example.com", "/opt/x"),
    ("0 4 * * * first.last /opt/x", "0 4 * * *", "first.last", "/opt/x"),
    ("0 4 * * * svc$ x", None, None, None),
    ("0 4 * * * root echo 'ünï' > /tmp/é", "0 4 * * *", "root", "echo 'ünï' > /tmp/é"),
    ("0 4 * * * root (cd /srv && ./x) 2>&1 | logger -t x # nightly", "0 4 * * *", "root",
     "(cd /srv && ./x) 2>&1 | logger -t x # nightly"),
    ("0 4 * * * root mysqldump --all-databases | gzip > /b/$(date +\\%Y-\\%m-\\%d).sql.gz", "0 4 * * *", "root",
     "mysqldump --all-databases | gzip > /b/$(date +%Y-%m-%d).sql.gz"),
    ("0 4 * * * root A=1 B=\"2 3\" ./x", "0 4 * * *", "root", "A=1 B=\"2 3\" ./x"),
    ("0 4 * * * root . /etc/profile; x", "0 4 * * *", "root", ". /etc/profile; x"),
    ("0 4 * * * root :", "0 4 * * *", "root", ":"),
    ("0 4 * * * root ! grep -q x /y", "0 4 * * *", "root", "! grep -q x /y"),
    ("0 4 * * * root { x; }", "0 4 * * *", "root", "{ x; }"),
    ("0 4 * * * root ~/bin/x", "0 4 * * *", "root", "~/bin/x"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "schedule", "user", "command"), SYSTEM)
@pytest.mark.parametrize("classic", [True, False])
def test_a_line_of_a_system_crontab_is_the_entry_that_cron_runs(
    line: str, schedule: str | None, user: str | None, command: str | None, classic: bool
) -> None:
    table = parse_table(line + "\n", source="t", classic=classic)
    if command is None:
        assert table.errors
        return
    (entry,) = table.entries
    assert table.errors == ()
    assert (entry.user, entry.command, entry.stdin) == (user, command, "")
    if schedule is not None:  # None: drawn
        assert entry.schedule.canonical == schedule


USER = [
    ("*/5 * * * * ~/bin/poll >/dev/null 2>&1", "~/bin/poll >/dev/null 2>&1", ""),
    ("@reboot sleep 60 && /home/pi/start.sh", "sleep 60 && /home/pi/start.sh", ""),
    ("0 9 * * 1 mail -s 'stand-up' team@example.com%Morning!%%See you at ten.%",
     "mail -s 'stand-up' team@example.com", "Morning!\n\nSee you at ten.\n"),
    ("0 3 * * * PATH=$PATH:/opt/bin; backup", "PATH=$PATH:/opt/bin; backup", ""),
    ("0 3 * * * htmldir=$(mktemp -d) make-site", "htmldir=$(mktemp -d) make-site", ""),
    ("0 3 * * * DISPLAY=:0 notify-send hi", "DISPLAY=:0 notify-send hi", ""),
    ("* * * * * cd /var/www && php artisan schedule:run >> /dev/null 2>&1",
     "cd /var/www && php artisan schedule:run >> /dev/null 2>&1", ""),
    ("12 3 * * * \"/srv/acme.sh\"/acme.sh --cron > /dev/null",
     "\"/srv/acme.sh\"/acme.sh --cron > /dev/null", ""),
    ("0 0 1 */3 * curl -fsS 'https://example.com/?a=1&b=2' | sh",
     "curl -fsS 'https://example.com/?a=1&b=2' | sh", ""),
    ("0 0 * * * [ \"$(date +\\%u)\" = 1 ] && x", "[ \"$(date +%u)\" = 1 ] && x", ""),
]  # fmt: skip


@pytest.mark.parametrize(("line", "command", "stdin"), USER)
@pytest.mark.parametrize("classic", [True, False])
def test_a_line_of_a_users_crontab_is_the_entry_that_cron_runs(
    line: str, command: str, stdin: str, classic: bool
) -> None:
    table = parse_table(line + "\n", source="t", style="user", owner="pi", classic=classic)
    assert [(each.user, each.command, each.stdin) for each in table.entries] == [
        ("pi", command, stdin)
    ]
    assert table.problems == ()


SETTINGS = [
    ("SHELL=/bin/bash", "SHELL", "/bin/bash"),
    ("PATH=/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin", "PATH",
     "/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin"),
    ("MAILTO=\"\"", "MAILTO", ""),
    ("MAILTO=root,ops@example.com", "MAILTO", "root,ops@example.com"),
    ("MAILTO = 'ops@example.com'  ", "MAILTO", "ops@example.com"),
    ("HOME=/", "HOME", "/"),
    ("LANG=C.UTF-8", "LANG", "C.UTF-8"),
    ("  BORG_PASSPHRASE='it''s'", None, None),
    ("NO_PROXY=localhost,.example.com", "NO_PROXY", "localhost,.example.com"),
    ("JAVA_OPTS=-Xmx512m -Dx=y", "JAVA_OPTS", "-Xmx512m -Dx=y"),
    ("RANDOM_DELAY=45", "RANDOM_DELAY", "45"),
    ("START_HOURS_RANGE=3-22", "START_HOURS_RANGE", "3-22"),
    ("CONTENT_TYPE=\"text/plain; charset=utf-8\"", "CONTENT_TYPE", "text/plain; charset=utf-8"),
    ("XDG_RUNTIME_DIR=/run/user/1000", "XDG_RUNTIME_DIR", "/run/user/1000"),
    ("A=b # no comment", "A", "b # no comment"),
    ("http_proxy=http://p:3128", "http_proxy", "http://p:3128"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "name", "value"), SETTINGS)
@pytest.mark.parametrize("classic", [True, False])
def test_a_setting_is_the_variable_that_cron_sets(
    line: str, name: str | None, value: str | None, classic: bool
) -> None:
    table = parse_table(line + "\n", source="t", classic=classic)
    if name is None:
        assert table.errors
        return
    assert [(each.name, each.value) for each in table.settings] == [(name, value)]
    assert table.problems == ()


@pytest.mark.parametrize(
    "header",
    [
        "#Ansible: nightly backup\n",
        "# HEADER: This file was autogenerated at 2024-01-01 by puppet.\n# Puppet Name: backup\n",
        "# DO NOT EDIT THIS FILE - edit the master and reinstall.\n# (/tmp/crontab.x installed on x)\n",
        "# Chef Name: backup\n",
        "# .---------------- minute (0 - 59)\n# |  .------------- hour (0 - 23)\n# *  * user-name\n",
        "\n\n\t# indented\n   \n",
        "SHELL=/bin/sh\nPATH=/sbin:/bin\n#\n",
        "# Lines below here are managed by Salt, do not edit\n# SALT_CRON_IDENTIFIER:x\n",
    ],
)
@pytest.mark.parametrize("classic", [True, False])
def test_what_tools_write_above_an_entry_leaves_it_alone(header: str, classic: bool) -> None:
    table = parse_table(header + "0 3 * * * root x\n", source="t", classic=classic)
    assert [each.command for each in table.entries] == ["x"]
    assert table.problems == ()
