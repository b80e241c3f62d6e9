#nullable enable
using System;
using System.Text;
using Newtonsoft.Json.Linq;

namespace GodotSDK
{
    /// <summary>What a JWT says of itself.</summary>
    internal static class Claims
    {
        public static string? UserOf(string token)
        {
            var parts = token.Split('.');
            if (parts.Length != 3) return null;
            var text = parts[1].Replace('-', '+').Replace('_', '/');
            try
            {
                var claims = Encoding.UTF8.GetString(Convert.FromBase64String(text.PadRight((text.Length + 3) / 4 * 4, '=')));
                return Json.TryParse(claims, out var fields, out _) ? Json.Text((fields as JObject)?["user_id"]) : null;
            }
            catch (FormatException)
            {
                return null;
            }
        }
    }
}
