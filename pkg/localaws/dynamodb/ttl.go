package dynamodb

type timeToLive struct {
	AttributeName *string
	Enabled       *bool
}

type updateTimeToLiveInput struct {
	tableNamed
	TimeToLiveSpecification *timeToLive
}

type updateTimeToLiveOutput struct {
	TimeToLiveSpecification *timeToLive
}

// updateTimeToLive takes effect at once. DynamoDB takes up to an hour, in which
// it refuses another change:
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTimeToLive.html
func (s *Service) updateTimeToLive(in *updateTimeToLiveInput) (*updateTimeToLiveOutput, *Error) {
	var c constraints
	spec := in.TimeToLiveSpecification
	c.notNull(spec != nil, "timeToLiveSpecification")
	if spec != nil {
		c.notNull(spec.AttributeName != nil, "timeToLiveSpecification.attributeName")
		c.notNull(spec.Enabled != nil, "timeToLiveSpecification.enabled")
		if spec.AttributeName != nil && *spec.AttributeName == "" {
			c.add("''", "timeToLiveSpecification.attributeName", "have length greater than or equal to 1")
		}
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	t, err := s.found(in.tableNamed)
	if err != nil {
		return nil, err
	}
	switch enable, name := *spec.Enabled, *spec.AttributeName; {
	case enable && t.expires == name:
		return nil, invalid("TimeToLive is already enabled")
	case !enable && t.expires == "":
		return nil, invalid("TimeToLive is already disabled")
	case t.expires != "" && t.expires != name:
		return nil, invalid("TimeToLive is active on a different AttributeName: current AttributeName is %s", t.expires)
	case enable:
		t.expires = name
	default:
		t.expires = ""
	}
	return &updateTimeToLiveOutput{spec}, nil
}

type timeToLiveDescription struct {
	AttributeName    string `json:",omitempty"`
	TimeToLiveStatus string
}

type describeTimeToLiveOutput struct {
	TimeToLiveDescription timeToLiveDescription
}

func (s *Service) describeTimeToLive(in *tableNamed) (*describeTimeToLiveOutput, *Error) {
	t, err := s.found(*in)
	if err != nil {
		return nil, err
	}
	if t.expires == "" {
		return &describeTimeToLiveOutput{timeToLiveDescription{TimeToLiveStatus: "DISABLED"}}, nil
	}
	return &describeTimeToLiveOutput{timeToLiveDescription{t.expires, "ENABLED"}}, nil
}
