package plan

import (
	pgquery "github.com/pganalyze/pg_query_go/v6"
)

// columnName is the name that PostgreSQL gives to an output column without AS.
func columnName(n *pgquery.Node) string {
	name, _ := figureName(n)
	if name == "" {
		return "?column?"
	}
	return name
}

// figureName gives a name and its strength: 2 is a good name, 1 only better than nothing, 0 none.
func figureName(n *pgquery.Node) (string, int) {
	if n == nil {
		return "", 0
	}
	switch v := n.Node.(type) {
	case *pgquery.Node_ColumnRef:
		for i := len(v.ColumnRef.Fields) - 1; i >= 0; i-- {
			if s := v.ColumnRef.Fields[i].GetString_(); s != nil {
				return s.Sval, 2
			}
		}
	case *pgquery.Node_AIndirection:
		for i := len(v.AIndirection.Indirection) - 1; i >= 0; i-- {
			if s := v.AIndirection.Indirection[i].GetString_(); s != nil {
				return s.Sval, 2
			}
		}
		return figureName(v.AIndirection.Arg)
	case *pgquery.Node_FuncCall:
		return callName(v.FuncCall), 2
	case *pgquery.Node_AExpr:
		if v.AExpr.Kind == pgquery.A_Expr_Kind_AEXPR_NULLIF {
			return "nullif", 2
		}
	case *pgquery.Node_TypeCast:
		if name, strength := figureName(v.TypeCast.Arg); strength > 1 {
			return name, strength
		}
		if t := v.TypeCast.TypeName; t != nil && len(t.Names) > 0 {
			return t.Names[len(t.Names)-1].GetString_().GetSval(), 1
		}
	case *pgquery.Node_CollateClause:
		return figureName(v.CollateClause.Arg)
	case *pgquery.Node_GroupingFunc:
		return "grouping", 2
	case *pgquery.Node_SubLink:
		return figureSubLink(v.SubLink)
	case *pgquery.Node_CaseExpr:
		if name, strength := figureName(v.CaseExpr.Defresult); strength > 1 {
			return name, strength
		}
		return "case", 1
	case *pgquery.Node_AArrayExpr:
		return "array", 2
	case *pgquery.Node_RowExpr:
		return "row", 2
	case *pgquery.Node_CoalesceExpr:
		return "coalesce", 2
	case *pgquery.Node_MinMaxExpr:
		if v.MinMaxExpr.Op == pgquery.MinMaxOp_IS_GREATEST {
			return "greatest", 2
		}
		return "least", 2
	case *pgquery.Node_SqlvalueFunction:
		return valueFunctionName(v.SqlvalueFunction.Op), 2
	}
	return "", 0
}

func figureSubLink(s *pgquery.SubLink) (string, int) {
	switch s.SubLinkType {
	case pgquery.SubLinkType_EXISTS_SUBLINK:
		return "exists", 2
	case pgquery.SubLinkType_ARRAY_SUBLINK:
		return "array", 2
	case pgquery.SubLinkType_EXPR_SUBLINK:
		sel := s.Subselect.GetSelectStmt()
		for sel != nil && sel.Larg != nil {
			sel = sel.Larg
		}
		if sel == nil || len(sel.TargetList) == 0 {
			if sel != nil && len(sel.ValuesLists) > 0 {
				return "column1", 2
			}
			return "", 0
		}
		rt := sel.TargetList[0].GetResTarget()
		if rt.Name != "" {
			return rt.Name, 2
		}
		return figureName(rt.Val)
	}
	return "", 0
}

func valueFunctionName(op pgquery.SQLValueFunctionOp) string {
	switch op {
	case pgquery.SQLValueFunctionOp_SVFOP_CURRENT_DATE:
		return "current_date"
	case pgquery.SQLValueFunctionOp_SVFOP_CURRENT_TIME, pgquery.SQLValueFunctionOp_SVFOP_CURRENT_TIME_N:
		return "current_time"
	case pgquery.SQLValueFunctionOp_SVFOP_CURRENT_TIMESTAMP, pgquery.SQLValueFunctionOp_SVFOP_CURRENT_TIMESTAMP_N:
		return "current_timestamp"
	case pgquery.SQLValueFunctionOp_SVFOP_LOCALTIME, pgquery.SQLValueFunctionOp_SVFOP_LOCALTIME_N:
		return "localtime"
	case pgquery.SQLValueFunctionOp_SVFOP_LOCALTIMESTAMP, pgquery.SQLValueFunctionOp_SVFOP_LOCALTIMESTAMP_N:
		return "localtimestamp"
	case pgquery.SQLValueFunctionOp_SVFOP_CURRENT_ROLE:
		return "current_role"
	case pgquery.SQLValueFunctionOp_SVFOP_CURRENT_USER:
		return "current_user"
	case pgquery.SQLValueFunctionOp_SVFOP_USER:
		return "user"
	case pgquery.SQLValueFunctionOp_SVFOP_SESSION_USER:
		return "session_user"
	case pgquery.SQLValueFunctionOp_SVFOP_CURRENT_CATALOG:
		return "current_catalog"
	case pgquery.SQLValueFunctionOp_SVFOP_CURRENT_SCHEMA:
		return "current_schema"
	}
	return ""
}
