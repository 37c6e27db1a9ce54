// Asks a simulator of IAM that none of us wrote what the roles and policies of the
// stack may do, as CloudFormation resolves them from what SAM makes of template.yaml.
//
//     node .ci/iam/simulate.mjs build/template.json
import { readFileSync } from 'node:fs'
import { runSimulation } from '@cloud-copilot/iam-simulate'

const template = JSON.parse(readFileSync(process.argv[2]))
const account = '123456789012'
const region = 'eu-west-1'
const parameters = {
  CreateSample: 'false', Cluster: 'jobs', TaskFamilies: 'billing,report-*', LogGroups: '/ecs/billing,/ecs/report-*',
  TaskRoleArns: `arn:aws:iam::${account}:role/billing-task,arn:aws:iam::${account}:role/billing-execution`,
  OverrideTaskRoleArns: `arn:aws:iam::${account}:role/close-books`, EnableExec: 'true', JobEventSource: 'com.example.shop',
}

// ---- CloudFormation, as far as the policies need it

const names = { 'AWS::Partition': 'aws', 'AWS::Region': region, 'AWS::AccountId': account, 'AWS::StackName': 'errand' }
for (const [name, { Default: value = '' }] of Object.entries(template.Parameters)) names[name] = parameters[name] ?? String(value)
for (const name of Object.keys(parameters)) if (!(name in template.Parameters)) throw Error(`the template has no parameter ${name}`)

const service = (type, kind, separator = ':') => (name) => `arn:aws:${type}:${region}:${account}:${kind}${kind && separator}${name}`
const arns = {
  'AWS::DynamoDB::Table': service('dynamodb', 'table', '/'),
  'AWS::ECS::Cluster': service('ecs', 'cluster', '/'),
  'AWS::IAM::Role': (name) => `arn:aws:iam::${account}:role/${name}`,
  'AWS::KMS::Key': service('kms', 'key', '/'),
  'AWS::Lambda::Function': service('lambda', 'function'),
  'AWS::Logs::LogGroup': (name) => `${service('logs', 'log-group')(name)}:*`,
  'AWS::Events::Rule': service('events', 'rule', '/'),
  'AWS::SNS::Topic': service('sns', ''),
  'AWS::SQS::Queue': service('sqs', ''),
  'AWS::Scheduler::ScheduleGroup': service('scheduler', 'schedule-group', '/'),
}
const none = Symbol('AWS::NoValue')

function ref(name) {
  if (name === 'AWS::NoValue') return none
  if (name in names) return names[name]
  return template.Resources[name]?.Type === 'AWS::SNS::Topic' ? arn(name) : name
}

function arn(name) {
  const make = arns[template.Resources[name]?.Type]
  if (!make) throw Error(`nothing is known of the ARN of ${name}`)
  return make(name)
}

function attribute(path) {
  const [name, ...rest] = Array.isArray(path) ? path : path.split('.')
  return rest.join('.') === 'Arn' ? arn(name) : `${name}.${rest.join('.')}`
}

function condition(c) {
  if (typeof c === 'string') return condition(template.Conditions[c])
  const [[kind, of]] = Object.entries(c)
  switch (kind) {
    case 'Condition': return condition(of)
    case 'Fn::Equals': return resolve(of[0]) === resolve(of[1])
    case 'Fn::Not': return !condition(of[0])
    case 'Fn::And': return of.every(condition)
    case 'Fn::Or': return of.some(condition)
  }
  throw Error(`condition function ${kind} is not known here`)
}

function resolve(value) {
  if (Array.isArray(value)) return value.map(resolve).filter((v) => v !== none)
  if (value === null || typeof value !== 'object') return value
  const [kind, of] = Object.entries(value)[0] ?? []
  switch (kind) {
    case 'Ref': return ref(of)
    case 'Fn::GetAtt': return attribute(of)
    case 'Fn::If': return resolve(condition(of[0]) ? of[1] : of[2])
    case 'Fn::Join': return resolve(of[1]).join(of[0])
    case 'Fn::Split': return resolve(of[1]).split(of[0])
    case 'Fn::Sub': {
      const [text, own] = Array.isArray(of) ? of : [of, {}]
      return text.replace(/\$\{([^}]+)\}/g, (_, name) =>
        name in own ? resolve(own[name]) : name.includes('.') ? attribute(name) : ref(name))
    }
  }
  if (kind?.startsWith('Fn::')) throw Error(`${kind} is not known here`)
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, resolve(v)]).filter(([, v]) => v !== none))
}

// ---- The table

const task = (cluster) => `arn:aws:ecs:${region}:${account}:task/${cluster}/0123456789abcdef0123456789abcdef`
const cluster = (name) => `arn:aws:ecs:${region}:${account}:cluster/${name}`
const definition = (family) => `arn:aws:ecs:${region}:${account}:task-definition/${family}:42`
const role = (name) => `arn:aws:iam::${account}:role/${name}`
const stream = (group, where = region) => `arn:aws:logs:${where}:${account}:log-group:${group}:log-stream:ecs/app/0123`
const on = (name) => ({ 'ecs:cluster': cluster(name) })
const toECS = { 'iam:PassedToService': 'ecs-tasks.amazonaws.com' }
const table = arn('LedgerTable')
const payload = { 'dynamodb:Attributes': ['pk', 'payload'], 'dynamodb:Select': 'SPECIFIC_ATTRIBUTES' }
const shown = { 'dynamodb:Attributes': ['pk', 'sk', 'state', 'verdict'], 'dynamodb:Select': 'SPECIFIC_ATTRIBUTES' }

const may = true
const mayNot = false
const requests = [
  ['LauncherRole', may, 'ecs:RunTask', definition('billing'), on('jobs')],
  ['LauncherRole', may, 'ecs:RunTask', definition('report-weekly'), on('jobs')],
  ['LauncherRole', mayNot, 'ecs:RunTask', definition('billing-2'), on('jobs')],
  ['LauncherRole', mayNot, 'ecs:RunTask', definition('reports'), on('jobs')],
  ['LauncherRole', mayNot, 'ecs:RunTask', definition('billing'), on('web')],
  ['LauncherRole', may, 'iam:PassRole', role('billing-task'), toECS],
  ['LauncherRole', may, 'iam:PassRole', role('billing-execution'), toECS],
  ['LauncherRole', may, 'iam:PassRole', role('close-books'), toECS],
  ['LauncherRole', mayNot, 'iam:PassRole', role('admin'), toECS],
  ['LauncherRole', mayNot, 'iam:PassRole', role('billing-task'), { 'iam:PassedToService': 'lambda.amazonaws.com' }],
  ['LauncherRole', may, 'ecs:TagResource', task('jobs'), { 'ecs:CreateAction': 'RunTask' }],
  ['LauncherRole', mayNot, 'ecs:TagResource', task('jobs'), {}],
  ['LauncherRole', may, 'ecs:ListTasks', '*', on('jobs')],
  ['LauncherRole', mayNot, 'ecs:ListTasks', '*', on('web')],
  ['LauncherRole', may, 'ecs:DescribeTasks', task('jobs'), on('jobs')],
  ['LauncherRole', may, 'ecs:StopTask', task('jobs'), on('jobs')],
  ['LauncherRole', mayNot, 'ecs:StopTask', task('web'), on('web')],
  ['LauncherRole', may, 'ecs:DescribeTaskDefinition', '*', {}],
  ['LauncherRole', may, 'ecs:DescribeServices', `arn:aws:ecs:${region}:${account}:service/jobs/web`, on('jobs')],
  ['LauncherRole', mayNot, 'ecs:ExecuteCommand', task('jobs'), on('jobs')],
  ['LauncherRole', may, 'dynamodb:UpdateItem', table, {}],
  ['LauncherRole', mayNot, 'dynamodb:DeleteItem', table, {}],
  ['LauncherRole', mayNot, 'dynamodb:Scan', table, {}],
  ['LauncherRole', may, 'sns:Publish', arn('ResultTopic'), {}],
  ['LauncherRole', mayNot, 'sns:Publish', arn('AlarmTopic'), {}],
  ['LauncherRole', may, 'kms:GenerateDataKey', arn('TopicKey'), {}],
  ['LauncherRole', may, 'lambda:InvokeFunction', arn('CollectorFunction'), {}],
  ['LauncherRole', mayNot, 'lambda:InvokeFunction', arn('ExecutorFunction'), {}],
  ['LauncherRole', may, 'sqs:SendMessage', arn('LauncherDeadLetters'), {}],
  ['LauncherRole', mayNot, 'logs:GetLogEvents', stream('/ecs/billing'), {}],
  ['CollectorRole', may, 'logs:GetLogEvents', stream('/ecs/billing'), {}],
  ['CollectorRole', may, 'logs:GetLogEvents', stream('/ecs/report-weekly', 'us-east-1'), {}],
  ['CollectorRole', mayNot, 'logs:GetLogEvents', stream('/ecs/billing-2'), {}],
  ['CollectorRole', mayNot, 'logs:GetLogEvents', stream('/aws/lambda/other'), {}],
  ['CollectorRole', may, 'ecs:DescribeTasks', task('jobs'), on('jobs')],
  ['CollectorRole', mayNot, 'ecs:StopTask', task('jobs'), on('jobs')],
  ['CollectorRole', mayNot, 'ecs:RunTask', definition('billing'), on('jobs')],
  ['CollectorRole', may, 'sns:Publish', arn('TextTopic'), {}],
  ['CollectorRole', mayNot, 'iam:PassRole', role('billing-task'), toECS],
  ['WatchdogRole', may, 'dynamodb:Query', `${table}/index/open`, {}],
  ['WatchdogRole', mayNot, 'dynamodb:Query', `${table}/index/history`, {}],
  ['WatchdogRole', may, 'dynamodb:BatchGetItem', table, {}],
  ['WatchdogRole', may, 'ecs:StopTask', task('jobs'), on('jobs')],
  ['WatchdogRole', may, 'lambda:InvokeFunction', arn('LauncherFunction'), {}],
  ['WatchdogRole', mayNot, 'lambda:InvokeFunction', arn('ExecutorFunction'), {}],
  ['WatchdogRole', mayNot, 'ecs:RunTask', definition('billing'), on('jobs')],
  ['WatchdogRole', mayNot, 'sns:Publish', arn('ResultTopic'), {}],
  ['WatchdogRole', may, 'sns:ListSubscriptionsByTopic', arn('TextTopic'), {}],
  ['ExecutorRole', may, 'ecs:ExecuteCommand', task('jobs'), on('jobs')],
  ['ExecutorRole', may, 'ecs:ExecuteCommand', cluster('jobs'), on('jobs')],
  ['ExecutorRole', mayNot, 'ecs:ExecuteCommand', task('web'), on('web')],
  ['ExecutorRole', may, 'ssm:TerminateSession', `arn:aws:ssm:${region}:${account}:session/ecs-execute-command-0123`, {}],
  ['ExecutorRole', mayNot, 'ssm:TerminateSession', `arn:aws:ssm:${region}:${account}:session/ann-0123`, {}],
  ['ExecutorRole', mayNot, 'ssm:StartSession', task('jobs'), {}],
  ['ExecutorRole', mayNot, 'ecs:StopTask', task('jobs'), on('jobs')],
  ['ScheduleRole', may, 'lambda:InvokeFunction', arn('LauncherFunction'), {}],
  ['ScheduleRole', mayNot, 'lambda:InvokeFunction', arn('ExecutorFunction'), {}],
  ['ScheduleRole', mayNot, 'lambda:InvokeFunction', arn('CollectorFunction'), {}],
  ['ScheduleRole', may, 'sqs:SendMessage', arn('ScheduleDeadLetters'), {}],
  ['ScheduleRole', mayNot, 'sqs:ReceiveMessage', arn('ScheduleDeadLetters'), {}],
  ['ExecScheduleRole', may, 'lambda:InvokeFunction', arn('ExecutorFunction'), {}],
  ['ExecScheduleRole', mayNot, 'lambda:InvokeFunction', arn('LauncherFunction'), {}],
  ['ReaderPolicy', may, 'dynamodb:BatchGetItem', table, shown],
  ['ReaderPolicy', mayNot, 'dynamodb:BatchGetItem', table, payload],
  ['ReaderPolicy', mayNot, 'dynamodb:GetItem', table, shown],
  ['ReaderPolicy', may, 'dynamodb:Query', table, shown],
  ['ReaderPolicy', mayNot, 'dynamodb:Query', table, { ...shown, 'dynamodb:Select': 'ALL_ATTRIBUTES' }],
  ['ReaderPolicy', may, 'dynamodb:Query', `${table}/index/history`, {}],
  ['ReaderPolicy', may, 'logs:FilterLogEvents', `arn:aws:logs:${region}:${account}:log-group:/ecs/billing:*`, {}],
  ['ReaderPolicy', mayNot, 'logs:FilterLogEvents', `arn:aws:logs:${region}:${account}:log-group:/ecs/other:*`, {}],
  ['ReaderPolicy', mayNot, 'ecs:StopTask', task('jobs'), on('jobs')],
  ['ReaderPolicy', mayNot, 'lambda:InvokeFunction', arn('LauncherFunction'), {}],
  ['ReaderPolicy', mayNot, 'sqs:ReceiveMessage', arn('LauncherDeadLetters'), {}],
  ['ReaderPolicy', may, 'sqs:GetQueueAttributes', arn('LauncherDeadLetters'), {}],
  ['OperatorPolicy', may, 'dynamodb:GetItem', table, {}],
  ['OperatorPolicy', may, 'dynamodb:UpdateItem', table, {}],
  ['OperatorPolicy', mayNot, 'dynamodb:PutItem', table, {}],
  ['OperatorPolicy', mayNot, 'dynamodb:DeleteTable', table, {}],
  ['OperatorPolicy', may, 'lambda:InvokeFunction', arn('LauncherFunction'), {}],
  ['OperatorPolicy', mayNot, 'lambda:InvokeFunction', arn('WatchdogFunction'), {}],
  ['OperatorPolicy', may, 'ecs:StopTask', task('jobs'), on('jobs')],
  ['OperatorPolicy', mayNot, 'ecs:StopTask', task('web'), on('web')],
  ['OperatorPolicy', mayNot, 'ecs:RunTask', definition('billing'), on('jobs')],
  ['OperatorPolicy', may, 'sqs:DeleteMessage', arn('CollectorDeadLetters'), {}],
  ['OperatorPolicy', mayNot, 'sqs:PurgeQueue', arn('CollectorDeadLetters'), {}],
  ['OperatorPolicy', may, 'cloudformation:DescribeStacks', `arn:aws:cloudformation:${region}:${account}:stack/errand/0d9c7a46`, {}],
  ['OperatorPolicy', mayNot, 'cloudformation:DeleteStack', `arn:aws:cloudformation:${region}:${account}:stack/errand/0d9c7a46`, {}],
]

function policies(name) {
  const { Type, Properties } = template.Resources[name]
  if (Type === 'AWS::IAM::ManagedPolicy') return [{ name, policy: resolve(Properties.PolicyDocument) }]
  return Properties.Policies.map((p) => ({ name: p.PolicyName, policy: resolve(p.PolicyDocument) }))
}

// The key's own policy leaves it to IAM.
const keyPolicy = resolve(template.Resources.TopicKey.Properties.KeyPolicy)
let wrong = 0
for (const [who, want, action, resource, contextVariables] of requests) {
  const answer = await runSimulation({
    identityPolicies: policies(who), serviceControlPolicies: [], resourceControlPolicies: [],
    resourcePolicy: action.startsWith('kms:') ? keyPolicy : undefined,
    request: { action, resource: { resource, accountId: account }, principal: role('whoever'), contextVariables },
  }, {})
  const got = answer.resultType === 'error' ? JSON.stringify(answer.errors) : answer.overallResult
  if ((got === 'Allowed') !== want || answer.resultType === 'error') {
    wrong++
    console.log(`${who}: ${action} on ${resource}: ${got}, want ${want ? 'Allowed' : 'denied'}`)
  }
}
const forbidden = requests.filter(([, want]) => !want).length
console.log(`${requests.length} requests, ${forbidden} of them forbidden: ${wrong} answers are wrong`)
if (wrong > 0 || requests.length < 60 || forbidden * 3 < requests.length) process.exit(1)
