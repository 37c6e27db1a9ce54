package payload

import (
	"slices"
	"strings"

	"errand/pkg/awsjson"
)

// misplaced are names that people give to fields, without capitals and separators,
// by where the field is that they mean. A name that may mean several is not here: no
// hint is better than a wrong one.
var misplaced = meanings{
	{"job", "name jobname"},
	{"runId", "id executionid requestid invocationid idempotencykey deduplicationid"},
	{"command", "cmd args arguments argv script commandline containercommand"},
	{"environment", "env envs envvar envvars environmentvariables environ vars variables"},
	{"container", "containername"},
	{"taskDefinition", "taskdef taskdefinitionarn taskdefinitionfamily definition family familyname"},
	{"service", "servicename servicearn"},
	{"cluster", "clustername clusterarn ecscluster"},
	{"scheduledTime", "scheduled scheduledat scheduletime scheduledfor due dueat duetime"},
	{"timeout", "timeoutseconds timeoutsecs timeoutinseconds timeoutminutes timeoutinminutes maxduration maxruntime maxtime runtimeout " +
		"executiontimeout activedeadlineseconds attemptdurationseconds"},
	{"startTimeout", "starttimeoutseconds starttimeoutinseconds"},
	{"startWithin", "startdeadline startingdeadline startingdeadlineseconds maxdelay"},
	{"logLines", "lines tail taillines loglinescount"},

	{"overrides", "override taskoverride taskoverrides"},
	{"overrides.cpu", "cpu cpus vcpu vcpus cpuunits taskcpu"},
	{"overrides.memory", "memory mem ram memorymib memorymb memorysize taskmemory"},
	{"overrides.taskRoleArn", "taskrole taskrolearn"},
	{"overrides.ephemeralStorage", "ephemeralstorage disk disksize storage"},
	{"overrides.containerOverrides", "containeroverride containeroverrides"},
	{"overrides.inferenceAcceleratorOverrides", "inferenceacceleratoroverrides"},

	{"overrides.containerOverrides[].memoryReservation", "memoryreservation"},
	{"overrides.containerOverrides[].environmentFiles", "environmentfile environmentfiles envfile envfiles"},
	{"overrides.containerOverrides[].resourceRequirements", "resourcerequirements gpu gpus"},

	{"capacityProviderStrategy", "capacityprovider capacityproviders capacityproviderstrategies spot fargatespot usespot"},
	{"platformVersion", "fargateplatformversion"},
	{"networkConfiguration", "network networkconfig vpcconfig"},
	{"networkConfiguration.awsvpcConfiguration", "awsvpc awsvpcconfiguration"},
	{"networkConfiguration.awsvpcConfiguration.subnets", "subnet subnets subnetid subnetids"},
	{"networkConfiguration.awsvpcConfiguration.securityGroups", "sg sgs securitygroup securitygroups securitygroupid securitygroupids"},
	{"networkConfiguration.awsvpcConfiguration.assignPublicIp", "assignpublicip publicip associatepublicip"},
	{"placementStrategy", "placementstrategies"},
	{"placementConstraints", "placementconstraint constraints"},
	{"enableExecuteCommand", "executecommand enableexec enableecsexec ecsexec"},
	{"volumeConfigurations", "ebsvolume managedebsvolume"},
}

// misplacedWithin are those within other objects.
var misplacedWithin = map[string]meanings{
	"overrides": {
		{"overrides.taskRoleArn", "taskrole"},
		{"overrides.ephemeralStorage", "disk disksize storage"},
		{"overrides.cpu", "cpus vcpu"},
		{"overrides.memory", "mem ram memorymib"},
		{"command", "cmd args command"},
		{"environment", "env envvars environment environmentvariables"},
		{"container", "name container containername"},
		{"overrides.containerOverrides[].memoryReservation", "memoryreservation"},
		{"overrides.containerOverrides[].environmentFiles", "environmentfiles"},
		{"overrides.containerOverrides[].resourceRequirements", "resourcerequirements gpu"},
	},
	"overrides.containerOverrides[]": {
		{"overrides.containerOverrides[].name", "container containername"},
		{"overrides.containerOverrides[].command", "cmd args arguments argv script"},
		{"overrides.containerOverrides[].environment", "env envs envvars environmentvariables vars variables"},
		{"overrides.containerOverrides[].environmentFiles", "envfile envfiles"},
		{"overrides.containerOverrides[].resourceRequirements", "gpu gpus"},
		{"overrides.containerOverrides[].memory", "mem ram memorymib memorylimit"},
		{"overrides.containerOverrides[].cpu", "cpus vcpu cpuunits"},
		{"overrides.taskRoleArn", "taskrole taskrolearn"},
		{"overrides.ephemeralStorage", "ephemeralstorage"},
	},
	"overrides.containerOverrides[].environment[]": {
		{"overrides.containerOverrides[].environment[].name", "key variable"},
		{"overrides.containerOverrides[].environment[].value", "val"},
	},
	"networkConfiguration": {
		{"networkConfiguration.awsvpcConfiguration", "awsvpc vpcconfiguration"},
		{"networkConfiguration.awsvpcConfiguration.subnets", "subnet subnets subnetid subnetids"},
		{"networkConfiguration.awsvpcConfiguration.securityGroups", "sg securitygroup securitygroups securitygroupid securitygroupids"},
		{"networkConfiguration.awsvpcConfiguration.assignPublicIp", "assignpublicip publicip"},
	},
	"networkConfiguration.awsvpcConfiguration": {
		{"networkConfiguration.awsvpcConfiguration.subnets", "subnetid subnetids"},
		{"networkConfiguration.awsvpcConfiguration.securityGroups", "sg sgs securitygroupid securitygroupids"},
		{"networkConfiguration.awsvpcConfiguration.assignPublicIp", "publicip associatepublicip"},
	},
	"capacityProviderStrategy[]": {
		{"capacityProviderStrategy[].capacityProvider", "name provider"},
	},
	"tags[]": {
		{"tags[].key", "name"},
		{"tags[].value", "val"},
	},
}

// elsewhere are the names of what belongs into no payload, by the sentence that says
// where it belongs.
var elsewhere = meanings{
	{"it belongs to the schedule, beside its target, not into its input", "cron rate scheduleexpression timezone tz scheduletimezone " +
		"scheduleexpressiontimezone startdate enddate flexibletimewindow enabled disabled state interval"},
	{"it belongs to the container in the task definition, and RunTask cannot change it", "image imageuri secret secrets user workingdirectory workdir " +
		"cwd portmappings ports loggroup logconfiguration logdriver logging healthcheck ulimits mountpoints mounts dockerlabels stoptimeout essential " +
		"repositorycredentials linuxparameters privileged dependson readonlyrootfilesystem links hostname entrypoint"},
	{"it belongs to the task definition, and RunTask cannot change it", "networkmode requirescompatibilities runtimeplatform containerdefinitions " +
		"cpuarchitecture volumes executionrole executionrolearn sidecars ipcmode pidmode"},
	{"errand starts one task a run; for more, send more runs, each with its own runId or job", "count desiredcount replicas instances parallelism taskcount"},
	{"errand sets it itself, to errand/<stack>/<job>", "startedby"},
	{"errand makes the client token of the job and the runId; give runId", "clienttoken idempotencytoken clientrequesttoken"},
	{"it belongs to a subscription of the result topic, whose filter policy chooses among the results", "notify notification notifications email emails " +
		"topic topicarn sns snstopic slack webhook onfailure onsuccess alert alerts recipients"},
	{"what is in it is the payload itself: put its fields at the top", "input payload body detail ecsparameters runtaskinput"},
	{"it belongs to the schedule or the rule, not into the input of its target", "target targetarn deadletterconfig retrypolicy maximumretryattempts maximumeventageinseconds"},
	{"tasks run in the account and the Region of the stack", "region awsregion account accountid"},
	{`it is retry, as in {"retry": {"attempts": 3}}, which is not supported yet`, "retries maxretries retrystrategy attempts maxattempts backofflimit retrycount"},
	{`it is overlap, as in {"overlap": "skip"}, which is not supported yet`, "concurrency concurrencypolicy allowoverlap allowconcurrent singleton"},
	{"it is the executor's (method exec), to run a command in a live task; a task of its own is started from taskDefinition", "task taskarn taskid"},
}

// meanings are places or sentences, and the names that mean each. The first that
// has a name counts.
type meanings []struct{ is, names string }

func (m meanings) of(name string) string {
	for _, meaning := range m {
		for n := range strings.FieldsSeq(meaning.names) {
			if n == name {
				return meaning.is
			}
		}
	}
	return ""
}

// fold is a field's name without what styles of writing differ in.
func fold(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(name))
}

// ofJobs are the fields of a Job, for whom gets an exec payload.
var ofJobs = strings.Fields("taskDefinition overrides launchType capacityProviderStrategy platformVersion networkConfiguration placementConstraints " +
	"placementStrategy group tags propagateTags enableExecuteCommand enableECSManagedTags referenceId volumeConfigurations startTimeout startWithin " +
	"expectEvery retry overlap")

const launchersOwn = "it is the launcher's, of a task of its own (method run-task)"

// place says where a field belongs that the object at path does not have, and which
// of those that it has is meant.
func (r *reader) place(path, name string, known []string) string {
	within, folded := pattern(path), fold(name)
	if awsjson.Name(name) != name {
		return "unknown field, whose name is not shown, since there may be a value in it"
	}
	meant := func(field string) string {
		r.told[strings.TrimPrefix(path+"."+field, ".")] = true
		return "unknown field, did you mean " + field + "?"
	}
	for _, field := range known {
		if fold(field) == folded {
			return meant(field)
		}
	}
	table := misplaced
	if within != "" {
		table = misplacedWithin[within]
	}
	if r.exec && (folded == "taskdefinition" || misplaced.of(folded) == "taskDefinition") {
		return "unknown field; " + launchersOwn + "; give family for one of the running tasks of a task definition"
	}
	if to := table.of(folded); to != "" {
		return r.moved(path, to, known)
	}
	for _, field := range ofJobs {
		if r.exec && fold(field) == folded {
			return "unknown field; " + launchersOwn
		}
	}
	if why := elsewhere.of(folded); why != "" && (within == "" || within == "overrides" || within == "overrides.containerOverrides[]") {
		return "unknown field; " + why
	}
	if within != "" && slices.ContainsFunc(rootFields, func(field string) bool { return fold(field) == folded }) {
		return "unknown field; it stands at the top of the payload"
	}
	if field := nearest(folded, known); field != "" {
		return meant(field)
	}
	return ""
}

var rootFields = append(strings.Fields("job command container environment service cluster runId scheduledTime schedule timeout logLines method"), ofJobs...)

// moved says of a field of the object at path that it is that of path to.
func (r *reader) moved(path, to string, known []string) string {
	within := pattern(path)
	top, _, _ := strings.Cut(to, ".")
	if r.exec && !slices.Contains(known, top) {
		return "unknown field; " + launchersOwn
	}
	parent, field := "", to
	if at := strings.LastIndex(to, "."); at >= 0 {
		parent, field = to[:at], to[at+1:]
	}
	if parent == within {
		r.told[strings.TrimPrefix(path+"."+field, ".")] = true
		return "unknown field, did you mean " + field + ", as in {\"" + field + "\": " + forms[to].example + "}?"
	}
	r.told[to] = true
	return "unknown field; it is " + to + ", as in " + inPlace(to)
}

// nearest is the one field that a slip of the fingers turned into a name, or "".
// Between short words there is no telling slips from other words.
func nearest(name string, fields []string) string {
	found, best := "", 3
	for _, field := range fields {
		to := fold(field)
		most := 2
		switch n := min(len(name), len(to)); {
		case name == to+"s" || to == name+"s": // one or several
		case n <= 3:
			most = 0
			if len(name) == len(to) && sorted(name) == sorted(to) {
				most = 1
			}
		case n <= 6:
			most = 1
		}
		switch distance := editDistance(name, to); {
		case distance > most || distance > best:
		case distance == best:
			found = "" // it may be either
		default:
			found, best = field, distance
		}
	}
	return found
}

func sorted(word string) string {
	letters := []byte(word)
	slices.Sort(letters)
	return string(letters)
}

// editDistance counts the letters to insert, delete, replace or swap with
// their neighbour.
func editDistance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			replace := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, replace)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
