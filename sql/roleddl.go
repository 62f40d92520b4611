package sql

import (
	"engram/sql/internal/plan"
	"engram/sql/types"
)

// runRole runs what concerns roles.
func (s *Session) runRole(x *execution, out *outcome) (bool, error) {
	switch u := x.analyzed.plan.Utility.(type) {
	case *plan.CreateRole:
		return true, s.createRole(u)
	case *plan.AlterRole:
		return true, s.alterRole(u)
	case *plan.DropRole:
		return true, s.dropRole(u)
	case *plan.RenameRole:
		return true, unsupported("a role cannot be renamed: its password is bound to its name")
	case *plan.Grant:
		return true, unsupported("%s is not supported: every role may read and write every table", x.analyzed.plan.Tag)
	}
	return false, nil
}

func (s *Session) mayManageRoles() error {
	if !s.superuser() {
		return types.Errorf(types.CodeInsufficientPrivilege, "permission denied to manage roles").
			WithHint("Only a superuser may create, change or drop roles.")
	}
	return nil
}

func (s *Session) createRole(u *plan.CreateRole) error {
	if err := s.mayManageRoles(); err != nil {
		return err
	}
	if _, ok, err := roleIn(s.batch(), u.Name); err != nil {
		return err
	} else if ok {
		return types.Errorf(types.CodeDuplicateObject, "role %q already exists", u.Name)
	}
	role := &Role{Name: u.Name}
	if err := s.applyOptions(role, u.Options); err != nil {
		return err
	}
	return putRole(s.batch(), role)
}

func (s *Session) applyOptions(role *Role, o plan.RoleOptions) (err error) {
	if o.Superuser != nil {
		role.Superuser = *o.Superuser
	}
	if o.Login != nil {
		role.Login = *o.Login
	}
	if len(o.InRoles) > 0 {
		return unsupported("membership in roles is not supported")
	}
	if o.ValidUntil != nil {
		return unsupported("VALID UNTIL is not supported")
	}
	if o.ConnectionLimit != nil && *o.ConnectionLimit >= 0 {
		return unsupported("CONNECTION LIMIT is not supported")
	}
	if o.NullPassword {
		role.Verifier = ""
	} else if o.Password != nil {
		role.Verifier, err = verifier(*o.Password)
	}
	return err
}

func (s *Session) alterRole(u *plan.AlterRole) error {
	name := u.Name
	if u.Special {
		name = s.user
	}
	if u.Set != nil || u.Reset != nil {
		return unsupported("settings of roles are not supported")
	}
	role, ok, err := roleIn(s.batch(), name)
	if err != nil {
		return err
	}
	if !ok {
		return types.Errorf(types.CodeUndefinedObject, "role %q does not exist", name)
	}
	o := u.Options
	own := name == s.user && o.Superuser == nil && o.Login == nil // anyone may change the own password
	if !own {
		if err := s.mayManageRoles(); err != nil {
			return err
		}
	}
	if err := s.applyOptions(role, o); err != nil {
		return err
	}
	if name == FirstRole && (!role.Superuser || !role.Login) {
		return types.Errorf(types.CodeDependentObjectsStillExist, "role %q must stay a superuser who may log in", name)
	}
	return putRole(s.batch(), role)
}

func (s *Session) dropRole(u *plan.DropRole) error {
	if err := s.mayManageRoles(); err != nil {
		return err
	}
	for _, name := range u.Names {
		_, ok, err := roleIn(s.batch(), name)
		switch {
		case err != nil:
			return err
		case !ok && u.IfExists:
			s.skipped(types.CodeSuccessfulCompletion, "role %q does not exist, skipping", name)
			continue
		case !ok:
			return types.Errorf(types.CodeUndefinedObject, "role %q does not exist", name)
		case name == FirstRole:
			return types.Errorf(types.CodeDependentObjectsStillExist, "role %q is required by the database and cannot be dropped", name)
		case name == s.user:
			return types.Errorf(types.CodeObjectInUse, "current user cannot be dropped")
		}
		if err := s.batch().SetSetting(roleKey(name), nil); err != nil {
			return err
		}
	}
	return nil
}
