# Completion of kurzweg and its daemons for bash. What there is to complete it asks of the program's own --help, so it knows every command and option.

_kurzweg_help() { # of a program and words
	LC_ALL=C timeout 2 "$@" --help 2>/dev/null
}

# Every command, a line each: "publish", "case list".
_kurzweg_commands() {
	_kurzweg_help "$1" | sed -n 's/^  \([a-z][a-z-]*\( [a-z][a-z-]*\)\{0,1\}\)\(  .*\)\{0,1\}$/\1/p'
}

# Every option of a help text, a line each: "--key FILE", "--json ", "-k FILE".
_kurzweg_options() {
	sed -n -e 's/^  \(-.\), --\([a-z-]*\)\([ =]\([^ ]\{1,\}\)\)\{0,1\}\(  .*\)\{0,1\}$/\1 \4\n--\2 \4/p' -e 's/^      --\([a-z-]*\)\([ =]\([^ ]\{1,\}\)\)\{0,1\}\(  .*\)\{0,1\}$/--\1 \3/p' <<<"$1"
}

# What an option of such a list takes; nothing where it takes nothing.
_kurzweg_placeholder() {
	local name value

	while read -r name value; do
		[[ $name == "$1" ]] && printf '%s' "$value" && return
	done <<<"$2"
}

# The node's socket that the words so far would ask; nothing where there is none, since asking it would wait.
_kurzweg_socket() {
	local i socket=${KURZWEG_SOCKET:-ipc:///run/kurzweg/partner.sock} line=${COMP_LINE:0:COMP_POINT}

	[[ $line =~ --socket[=\ ]+([^ ]+)\  ]] && socket=${BASH_REMATCH[1]}
	[[ -S ${socket#ipc://} ]] && printf '%s' "$socket"
}

# What the node lists, by the last eight characters of its ids, as people see them. A node that does not answer within a second is not waited for.
_kurzweg_ids() {
	local program=$1 socket

	shift
	socket=$(_kurzweg_socket)
	[[ -n $socket ]] || return
	timeout 1 "$program" "$@" --json --socket "$socket" 2>/dev/null | grep -o '"id": *"[0-9a-f-]\{36\}"' | sed 's/.*\(.\{8\}\)"$/\1/' | sort -u
}

# Nodes, or topics, of the agreement that stands where commands look for it.
_kurzweg_of_agreement() {
	local program=$1 key=$2 agreement=/etc/kurzweg/agreement.yaml line=${COMP_LINE:0:COMP_POINT}

	[[ $line =~ \ (--agreement|-a)[=\ ]+([^ ]+)\  ]] && agreement=${BASH_REMATCH[2]}
	[[ -r $agreement ]] || return
	timeout 1 "$program" agreement check "$agreement" --json 2>/dev/null | sed -n "s/.*\"$key\": *\[\([^]]*\)\].*/\1/p" | tr -d '" ' | tr ',' '\n'
}

# What may stand for the placeholder of a word or an option.
_kurzweg_values() {
	local program=$1 command=$2 option=$3 placeholder=$4 word=$5 words=

	case $option in
	--lane) words='flash urgent routine' ;;
	--wait | -w) words='stored delivered' ;;
	--severity) words='extreme severe moderate minor unknown' ;;
	--urgency) words='immediate expected future past unknown' ;;
	--certainty) words='observed likely possible unlikely unknown' ;;
	--mark) words='open internal personal sensitive' ;;
	--onward) words='free withconsent forbidden' ;;
	--completeness) words='complete partial unknown' ;;
	--type) words='notice update cancel request' ;;
	--level | -l) words='error warning notice info debug' ;;
	--lock) words='interactive moderate sensitive' ;;
	--sort | -s) [[ $command == top ]] && words='name state unread age rate' ;;
	--use) words='live exercise' ;;
	--kind) if [[ $command == publish ]]; then words='support presence information consultation inspection other'; else words='police city civil justice health fire school other'; fi ;;
	esac
	if [[ -z $words ]]; then
		case $placeholder in
		FILE* | OLD* | NEW | DRAFT | TABLE | PATH | LINE) mapfile -t COMPREPLY < <(compgen -f -- "$word"); compopt -o filenames 2>/dev/null; return ;;
		FOLDER | STORE) mapfile -t COMPREPLY < <(compgen -d -- "$word"); compopt -o filenames 2>/dev/null; return ;;
		ENDPOINT) return ;;
		NODE) words=$(_kurzweg_of_agreement "$program" node_ids) ;;
		FILTER) words=$(_kurzweg_of_agreement "$program" filters) ;;
		TOPIC) words=$(_kurzweg_of_agreement "$program" filters | sed 's/[#+].*//' | grep .); compopt -o nospace 2>/dev/null ;;
		ID)
			case $command in
			approve | refuse) words=$(_kurzweg_ids "$program" release list) ;;
			take | decline | hand-over | forward | return | done | reopen | note | 'case show') words=$(_kurzweg_ids "$program" case list --all) ;;
			esac
			;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

_kurzweg() {
	local program=${COMP_WORDS[0]} word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command='' commands help options i at=0 index=0 one usage
	local -a given

	COMPREPLY=()
	command -v -- "$program" >/dev/null || return
	if [[ $word == '=' ]]; then # "--key=" is three words to bash
		word=
	elif [[ $before == '=' ]]; then
		before=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	if [[ ${program##*/} == kurzweg ]]; then
		commands=$(_kurzweg_commands "$program")
		for ((i = 1; i < COMP_CWORD && i < 3; i++)); do
			one=${command:+$command }${COMP_WORDS[i]}
			[[ $'\n'$commands$'\n' == *$'\n'"$one"[$' \n']* ]] || break
			command=$one at=$i
		done
		if ((COMP_CWORD == at + 1)) && ((at < 2)) && [[ $word != -* ]]; then
			options=$(sed -n "s/^${command:+$command }\([a-z-]\{1,\}\).*/\1/p" <<<"$commands" | sort -u)
			if [[ -z $command || -n $options ]]; then
				mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
				return
			fi
		fi
		if [[ -z $command ]]; then
			mapfile -t COMPREPLY < <(compgen -W '--help --version' -- "$word")
			return
		fi
	fi
	# shellcheck disable=SC2086 # a command of two words is two
	help=$(_kurzweg_help "$program" $command)
	options=$(_kurzweg_options "$help")
	one=$(_kurzweg_placeholder "$before" "$options")
	if [[ $before == -* && -n $one ]]; then
		_kurzweg_values "$program" "$command" "$before" "$one" "$word"
		return
	fi
	if [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(sed -n 's/^\(--[a-z-]*\) .*/\1/p' <<<"$options")" -- "$word")
		return
	fi
	# Which of the words that are no options this one is, counted behind the command.
	for ((i = at + 1; i < COMP_CWORD; i++)); do
		one=${COMP_WORDS[i]}
		if [[ $one == -* ]]; then
			[[ -z $(_kurzweg_placeholder "$one" "$options") ]] || i=$((i + 1))
			[[ ${COMP_WORDS[i]} != '=' ]] || i=$((i + 1))
		else
			index=$((index + 1))
		fi
	done
	usage=$(sed -n '1s/^Usage: [^A-Z[]*//p' <<<"$help" | sed 's/\[OPTION.*//; s/[][]//g')
	read -r -a given <<<"$usage"
	_kurzweg_values "$program" "$command" '' "${given[index]:-}" "$word"
}

complete -F _kurzweg kurzweg kurzweg-broker kurzweg-partner kurzweg-exporter
