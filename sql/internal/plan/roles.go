package plan

import (
	pgquery "github.com/pganalyze/pg_query_go/v6"
)

// roleName spells a role as a statement gives it.
func roleName(r *pgquery.RoleSpec) string {
	if r == nil {
		return ""
	}
	switch r.Roletype {
	case pgquery.RoleSpecType_ROLESPEC_CURRENT_ROLE, pgquery.RoleSpecType_ROLESPEC_CURRENT_USER:
		return "current_user"
	case pgquery.RoleSpecType_ROLESPEC_SESSION_USER:
		return "session_user"
	case pgquery.RoleSpecType_ROLESPEC_PUBLIC:
		return "public"
	}
	return r.Rolename
}

// roles checks the statements about roles and privileges; everything else that gets here is refused by its name.
func (a *analyzer) roles(n *pgquery.Node) any {
	switch v := n.Node.(type) {
	case *pgquery.Node_CreateRoleStmt:
		c := &CreateRole{Name: v.CreateRoleStmt.Role, Options: a.roleOptions(v.CreateRoleStmt.Options)}
		if c.Options.Login == nil {
			login := v.CreateRoleStmt.StmtType == pgquery.RoleStmtType_ROLESTMT_USER
			c.Options.Login = &login
		}
		return c
	case *pgquery.Node_AlterRoleStmt:
		r := v.AlterRoleStmt
		name := roleName(r.Role)
		return &AlterRole{Name: name, Special: r.Role.GetRolename() == "", Options: a.roleOptions(r.Options)}
	case *pgquery.Node_AlterRoleSetStmt:
		r := v.AlterRoleSetStmt
		if r.Role == nil || r.Database != "" {
			a.unsupported(-1, "ALTER ROLE ALL and IN DATABASE")
		}
		out := &AlterRole{Name: roleName(r.Role), Special: r.Role.GetRolename() == ""}
		switch s := a.setVariable(r.Setstmt).(type) {
		case *Set:
			out.Set = s
		case *Reset:
			out.Reset = s
		}
		return out
	case *pgquery.Node_DropRoleStmt:
		d := &DropRole{IfExists: v.DropRoleStmt.MissingOk}
		for _, r := range v.DropRoleStmt.Roles {
			d.Names = append(d.Names, roleName(r.GetRoleSpec()))
		}
		return d
	case *pgquery.Node_GrantStmt:
		return a.grant(v.GrantStmt)
	case *pgquery.Node_GrantRoleStmt:
		return grantRole(v.GrantRoleStmt)
	}
	a.unsupported(-1, a.plan.Tag)
	return nil
}

func (a *analyzer) roleOptions(list []*pgquery.Node) RoleOptions {
	var o RoleOptions
	for _, x := range list {
		d := x.GetDefElem()
		yes := constText(d.Arg) == "true" || constText(d.Arg) == "1"
		switch d.Defname {
		case "password":
			if d.Arg == nil {
				o.NullPassword = true
			} else {
				s := constText(d.Arg)
				o.Password = &s
			}
		case "superuser":
			o.Superuser = &yes
		case "canlogin":
			o.Login = &yes
		case "createdb":
			o.CreateDB = &yes
		case "createrole":
			o.CreateRole = &yes
		case "inherit":
			o.Inherit = &yes
		case "isreplication":
			o.Replication = &yes
		case "bypassrls":
			o.BypassRLS = &yes
		case "connectionlimit":
			n := int(constInt(d.Arg))
			o.ConnectionLimit = &n
		case "validUntil":
			s := constText(d.Arg)
			o.ValidUntil = &s
		case "addroleto":
			for _, r := range d.Arg.GetList().GetItems() {
				o.InRoles = append(o.InRoles, roleName(r.GetRoleSpec()))
			}
		default:
			a.unsupported(d.Location, "the role option "+d.Defname)
		}
	}
	return o
}

func (a *analyzer) grant(s *pgquery.GrantStmt) any {
	g := &Grant{Revoke: !s.IsGrant, Kind: objectKinds[s.Objtype], Option: s.GrantOption, Cascade: s.Behavior == pgquery.DropBehavior_DROP_CASCADE}
	if g.Kind == "" {
		a.unsupported(-1, a.plan.Tag+" on this kind of object")
	}
	for _, p := range s.Privileges {
		ap := p.GetAccessPriv()
		if len(ap.Cols) > 0 {
			a.unsupported(-1, "privileges on columns")
		}
		g.Privileges = append(g.Privileges, ap.PrivName)
	}
	for _, o := range s.Objects {
		if s.Targtype == pgquery.GrantTargetType_ACL_TARGET_ALL_IN_SCHEMA {
			g.AllInSchema = append(g.AllInSchema, constText(o))
			continue
		}
		g.Objects = append(g.Objects, objectName(o))
	}
	for _, r := range s.Grantees {
		g.Grantees = append(g.Grantees, roleName(r.GetRoleSpec()))
	}
	return g
}

func grantRole(s *pgquery.GrantRoleStmt) any {
	g := &Grant{Revoke: !s.IsGrant, Kind: ObjectRole, Cascade: s.Behavior == pgquery.DropBehavior_DROP_CASCADE}
	for _, r := range s.GrantedRoles {
		g.Roles = append(g.Roles, r.GetAccessPriv().GetPrivName())
	}
	for _, r := range s.GranteeRoles {
		g.Grantees = append(g.Grantees, roleName(r.GetRoleSpec()))
	}
	for _, o := range s.Opt {
		if d := o.GetDefElem(); d.Defname == "admin" {
			g.Option = constText(d.Arg) != "false"
		}
	}
	return g
}
