"""The embedded vision-language model: pretrained from scratch in half an hour, with weights shipped in this
package."""
