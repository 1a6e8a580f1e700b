# What the maintainer scripts of the daemons' packages share; each gets it where its line COMMON stands.
set -e

# say ENGLISH GERMAN: one of them, in the language of whoever installs.
say() {
	case ${LC_ALL:-${LC_MESSAGES:-${LANG:-}}} in
	de*) printf '%s: %s\n' "$package" "$2" ;;
	*) printf '%s: %s\n' "$package" "$1" ;;
	esac
}

# type_next COMMAND …: below what say said.
type_next() {
	printf '    %s\n' "$@"
}

systemd_runs() {
	[ -z "${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]
}

# Units are as their operator left them: what he enabled is enabled, and nothing else.
units_installed() {
	for unit in "$@"; do
		if deb-systemd-helper debian-installed "$unit"; then
			deb-systemd-helper unmask "$unit" >/dev/null || true
			if deb-systemd-helper --quiet was-enabled "$unit"; then
				deb-systemd-helper enable "$unit" >/dev/null || true
			fi
		fi
		deb-systemd-helper update-state "$unit" >/dev/null || true
	done
}

# What runs is started anew, what does not stays so. A daemon that does not come back is no reason to leave the package half installed.
units_restarted() {
	systemd_runs || return 0
	systemctl --system daemon-reload >/dev/null || true
	deb-systemd-invoke try-restart "$@" >/dev/null || say "a daemon did not start again; \"systemctl status '$1'\" says why, and \"journalctl -u '$1'\"" \
		"ein Dienst ist nicht wieder gestartet; \"systemctl status '$1'\" sagt, warum, und \"journalctl -u '$1'\""
}

units_stopped() {
	if systemd_runs; then
		deb-systemd-invoke stop "$@" >/dev/null
	fi
}

# units_gone ACTION UNIT …, with postrm's own action.
units_gone() {
	action=$1
	shift
	if systemd_runs; then
		systemctl --system daemon-reload >/dev/null || true
	fi
	if [ "$action" = purge ] && command -v deb-systemd-helper >/dev/null; then
		for unit in "$@"; do
			deb-systemd-helper purge "$unit" >/dev/null || true
		done
	fi
}

# Broker and nodes of one machine share /etc, /run and /var/lib/kurzweg. The other one's package counts as long as it was not purged too.
is_gone() {
	state=$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) || return 0
	[ "$state" = not-installed ]
}

# folders_gone OTHER FOLDER …: folders that nothing is in any more go; the shared ones with the second daemon.
folders_gone() {
	other=$1
	shift
	rmdir --ignore-fail-on-non-empty "$@" 2>/dev/null || true
	if is_gone "$other"; then
		rmdir --ignore-fail-on-non-empty /run/kurzweg /var/lib/kurzweg 2>/dev/null || true
	fi
}

# told_what_stays USERS PATH …: what a purge leaves.
told_what_stays() {
	users=$1
	shift
	heard=no
	for path in "$@"; do
		[ -e "$path" ] || continue
		if [ "$heard" = no ]; then
			say "kept, since only you know whether somebody still needs it; delete it yourself when nobody does:" \
				"behalten, weil nur Sie wissen, ob es noch jemand braucht; löschen Sie es selbst, wenn nicht:"
			heard=yes
		fi
		printf '    %s (%s)\n' "$path" "$(du -sh "$path" | cut -f1)"
	done
	[ -z "$users" ] || say "users and groups stay: $users" "Benutzer und Gruppen bleiben: $users"
}
