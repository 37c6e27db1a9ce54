package dynamodb

// capacity is what a request consumed:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
type capacity struct {
	table   float64
	indexes map[string]float64
}

type consumedCapacity struct {
	TableName              string
	CapacityUnits          float64
	Table                  *units           `json:",omitempty"`
	GlobalSecondaryIndexes map[string]units `json:",omitempty"`
}

type units struct {
	CapacityUnits float64
}

func writeUnits(size int) float64 { return float64(max(1, (size+1023)/1024)) }

func readUnits(size int, consistent bool) float64 {
	units := float64(max(1, (size+4095)/4096))
	if !consistent {
		units /= 2
	}
	return units
}

// written is what a write consumed. The table's part is that of the larger item.
func (t *table) written(c change) capacity {
	consumed := capacity{writeUnits(max(c.old.size(), c.new.size())), map[string]float64{}}
	for _, x := range t.indexes {
		if units := x.units(t, c); units > 0 {
			consumed.indexes[x.name] = units
		}
	}
	return consumed
}

// report is the capacity as the request wants it told.
func (c capacity) report(mode *string, table string) *consumedCapacity {
	report := &consumedCapacity{TableName: table, CapacityUnits: c.table}
	for _, units := range c.indexes {
		report.CapacityUnits += units
	}
	switch or(mode, "NONE") {
	case "NONE":
		return nil
	case "INDEXES":
		report.Table = &units{c.table}
		report.GlobalSecondaryIndexes = map[string]units{}
		for name, n := range c.indexes {
			report.GlobalSecondaryIndexes[name] = units{n}
		}
	}
	return report
}
