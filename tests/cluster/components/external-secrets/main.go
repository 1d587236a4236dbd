// Command external-secrets is the controller of the External Secrets Operator.
package main

import controller "github.com/external-secrets/external-secrets/cmd/controller"

func main() { controller.Execute() }
